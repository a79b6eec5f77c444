"""On a GPU: recorded steps are the same steps, and rows that do not fit are the same rows."""

import contextlib
import copy
import dataclasses
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from layerline import networks
from layerline.config import Component, TrainSection
from layerline.networks import build_network
from layerline.training import loop
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import Listener
from layerline.training.loop import Training
from layerline.training.member import Member

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

OPTIONS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [64, 32], "norm": "batch", "dropout": 0.2},
}
NETWORKS: dict[str, dict[str, Any]] = {
    name: OPTIONS.get(name, {}) for name, line in networks.NETWORKS.items() if line.is_recordable
}


def images(n_rows: int, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n_rows) % 3
    x = 0.3 * torch.randn(n_rows, 1, 8, 8, generator=generator)
    x[:, 0, :3, :3] += y.view(-1, 1, 1)
    return Rows(x, y)


def section(**changes: Any) -> TrainSection:
    first = TrainSection(
        options=NETWORKS["mlp"], batch_size=64, epochs=4, device="cuda", precision="float32"
    )
    return dataclasses.replace(first, **changes)


def start(chosen: TrainSection, rows: Rows | None = None) -> Training:
    prepare_torch(0, 1)
    is_flat = chosen.network in {"mlp", "seven_layer"}
    train, valid = rows or images(330), images(90, seed=1)
    if is_flat:
        train, valid = (dataclasses.replace(r, x=r.x.flatten(1)) for r in (train, valid))
    shape = tuple(train.x.shape[1:])
    network = build_network(chosen.network, chosen.options, input_shape=shape, d_out=3)
    return Training([Member(network, 0)], TrainingData.of(train, valid, "multiclass"), chosen)


def weights(training: Training) -> dict[str, Tensor]:
    torch.manual_seed(0)  # dropout draws from torch's own generator
    training.run(Listener())
    return training.members[0].network.state_dict()


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, item in one.items():
        assert torch.equal(item, other[name]), name


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("network", NETWORKS)
def test_recorded_steps_are_the_same_steps(network: str, optimizer: str) -> None:
    rate = {"learning_rate": 1e-3 if optimizer != "sgd" else 1e-2}
    chosen = section(
        network=network,
        options=NETWORKS[network],
        optimizer=Component(name=optimizer, options=rate),
        clip_norm=1.0,
    )
    recorded, plain = start(chosen), start(chosen)
    assert recorded.session.graphs is not None
    plain.session.graphs = None
    expected = weights(plain)
    for name, item in weights(recorded).items():
        # A rate of float32 in place of one of float64 is all that differs.
        assert torch.allclose(item.float(), expected[name].float(), rtol=1e-3, atol=1e-4), name
    assert [r.gradient_norm for r in recorded.members[0].history] == pytest.approx(
        [r.gradient_norm for r in plain.members[0].history], rel=1e-2
    )


def test_the_same_bytes_twice_in_bfloat16() -> None:
    chosen = section(precision="bfloat16", average=0.99, accumulate=2)
    one, other = start(chosen), start(chosen)
    assert one.session.precision == torch.bfloat16
    assert_equal(weights(one), weights(other))


def test_it_goes_on_from_the_middle_of_an_epoch_with_the_same_bytes() -> None:
    chosen = section()
    undisturbed = weights(start(chosen))
    stopped, kept = start(chosen), {}
    torch.manual_seed(0)

    def stop(share: float) -> None:
        if share > 1.5:
            kept.update(copy.deepcopy(stopped.state()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.run(Listener(on_share=stop))
    resumed = start(chosen)
    resumed.load(kept)
    resumed.run(Listener())
    assert_equal(resumed.members[0].network.state_dict(), undisturbed)


def test_an_epoch_that_diverged_starts_anew_and_is_recorded_anew() -> None:
    said: list[str] = []
    chosen = section(optimizer=Component(name="sgd", options={"learning_rate": 1e30}))
    training = start(chosen)
    with pytest.raises(Exception, match="diverged at epoch 1, step"):
        training.run(Listener(report=said.append))
    assert len(said) == 2


def test_rows_read_ahead_are_the_rows_of_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = dataclasses.replace(images(330), is_streamed=True)
    ahead = start(section(), rows)
    assert not ahead.data.train.x.is_cuda
    assert ahead.session.graphs is None
    found = weights(ahead)
    monkeypatch.setattr(loop, "read_ahead", lambda rows, batches: contextlib.nullcontext(rows))
    assert_equal(weights(start(section(), rows)), found)


def test_a_training_cut_off_within_read_ahead_ends_its_thread() -> None:
    streamed = start(section(), dataclasses.replace(images(330), is_streamed=True))

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        streamed.run(Listener(on_share=stop))
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}
