"""Training stopped anywhere goes on to the same bytes; one that diverges goes back."""

import dataclasses
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from layerline.config import BatchGrowthSection, Component, EarlyStoppingSection, TrainSection
from layerline.errors import DivergedError, SourceError
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.divergence import LOWER_RATE
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.snapshots import Snapshots


def rows(n_rows: int = 120, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n_rows) % 3
    return Rows(torch.eye(3, 4)[y] * 2 + torch.randn(n_rows, 4, generator=generator), y)


def section(**changes: Any) -> TrainSection:
    first = TrainSection(
        options={"hidden": [8], "dropout": 0.3},
        batch_size=16,
        epochs=6,
        device="cpu",
        average=0.9,
        accumulate=2,
        batch_growth=BatchGrowthSection(every_epochs=3),
        sampling="balanced",
        schedule=Component(name="reduce_on_plateau"),
    )
    return dataclasses.replace(first, **changes)


def start(chosen: TrainSection, shape: tuple[int, ...] = (4,)) -> Training:
    prepare_torch(0, 1)
    network = build_network(chosen.network, chosen.options, input_shape=shape, d_out=3)
    data = [dataclasses.replace(part, x=shaped(part.x, shape)) for part in (rows(), rows(60, 1))]
    return Training([Member(network, 0)], TrainingData.of(*data, "multiclass"), chosen)


def shaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The features in the corner of an image, where they are to be one."""
    if shape == (4,):
        return x
    made = torch.zeros(len(x), math.prod(shape))
    made[:, :4] = x
    return made.view(-1, *shape)


def network_of(training: Training) -> nn.Module:
    return training.members[0].network


def run(training: Training, *given: Any) -> FitResult:
    training.run(*given)
    return training.members[0].result


def weights(training: Training) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network_of(training).state_dict().values()])


class Stopped(Exception):
    pass


IMAGE = (1, 8, 8)
EACH = [
    *(("mlp", {"hidden": [8], "dropout": 0.3}, (4,), optimizer) for optimizer in OPTIMIZERS),
    ("seven_layer", {"hidden": [6] * 6}, (4,), "adamw"),
    ("conv1x1_mlp", {"channels": [4], "hidden": [8]}, IMAGE, "adamw"),
    ("rnn", {"hidden": 8}, IMAGE, "adamw"),
    *(("cnn", {"channels": [4, 6]}, IMAGE, name) for name in ("adamw", "sgd", "rmsprop", "lbfgs")),
]


@pytest.mark.parametrize(
    ("network", "options", "shape", "optimizer"), EACH, ids=[f"{e[0]}-{e[3]}" for e in EACH]
)
def test_stopped_after_every_step_it_goes_on_to_the_same_bytes(
    tmp_path, network, options, shape, optimizer
):
    alone = {"accumulate": 1, "batch_growth": None, "sampling": "shuffled"}
    chosen = section(
        network=network,
        options=options,
        optimizer=Component(name=optimizer),
        epochs=5,
        **(alone if OPTIMIZERS[optimizer].full_batch else {}),
    )
    whole = start(chosen, shape)
    expected = run(whole, Listener())
    result, n_starts = None, 0
    while result is None:
        n_starts += 1
        part = start(chosen, shape)
        snapshots = Snapshots(tmp_path / "snapshot", every_seconds=0, within_seconds=0)
        if (state := snapshots.load()) is not None:
            part.load(state)
        before, told = part.session.step, []

        def stop_at_the_third(done: float, told: list[float] = told) -> None:
            told.append(done)
            if len(told) > 3:
                raise Stopped

        try:
            result = run(part, Listener(on_share=stop_at_the_third), snapshots)
        except Stopped:
            assert part.session.step > before
    assert n_starts > 2 or OPTIMIZERS[optimizer].full_batch
    assert torch.equal(weights(whole), weights(part))
    assert without_speed(result) == without_speed(expected)


def without_speed(result: FitResult) -> FitResult:
    records = tuple(dataclasses.replace(r, rows_per_second=0.0) for r in result.history)
    return dataclasses.replace(result, history=records)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_resuming import network_of, section, start
from layerline.networks.serialization import NetworkSpec, save_network
from layerline.training.epoch_records import Listener
from layerline.training.snapshots import Snapshots
chosen = section(epochs=200, early_stopping=None)
training = start(chosen)
snapshots = Snapshots(Path(sys.argv[2]), every_seconds=0, within_seconds=0)
state = snapshots.load()
if state is not None:
    training.load(state)
print("started", flush=True)
training.run(Listener(), snapshots)
spec = NetworkSpec("mlp", chosen.options, (4,), 3, "multiclass")
save_network(Path(sys.argv[3]), network_of(training), spec)
"""


@pytest.mark.parametrize(
    "n_kills", [3, pytest.param(20, marks=pytest.mark.slow)], ids=["few", "twenty"]
)
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path, n_kills):
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)]
    bytes_of = {}
    for name, moments in (("whole", 0), ("killed", n_kills)):
        (tmp_path / name).mkdir()
        arguments = [*command, str(tmp_path / f"{name}-snapshot"), str(tmp_path / name)]
        generator = torch.Generator().manual_seed(n_kills)
        for wait in torch.rand(moments, generator=generator).tolist():
            with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
                assert process.stdout.readline() == b"started\n"
                time.sleep(wait * 0.3)
                process.send_signal(signal.SIGKILL)
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        bytes_of[name] = (tmp_path / name / "network.safetensors").read_bytes()
    assert bytes_of["whole"] == bytes_of["killed"]


def test_a_damaged_snapshot_is_refused(tmp_path):
    snapshots = Snapshots(tmp_path / "s")
    snapshots.save(start(section()).state())
    file = tmp_path / "s" / "snapshot.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(SourceError):
        snapshots.load()
    snapshots.discard()
    assert snapshots.load() is None


class Exploding(nn.Module):
    """Gives infinity in some of its forward passes."""

    def __init__(self, bad_calls: set[int]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.burst = nn.Identity()
        self.bad_calls, self.n_calls = bad_calls, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.n_calls += 1
        factor = torch.inf if self.training and self.n_calls in self.bad_calls else 1.0
        return self.burst(self.linear(x) * factor)


def exploding(bad_calls: set[int]) -> Training:
    prepare_torch(0, 1)
    chosen = TrainSection(batch_size=30, epochs=4, early_stopping=None, device="cpu")
    network = Exploding(bad_calls)
    data = TrainingData.of(rows(), rows(60, 1), "multiclass")
    return Training([Member(network, 0)], data, chosen)


def test_an_epoch_that_diverges_starts_anew_with_a_lower_rate():
    told: list[str] = []
    training = exploding({6})  # the second of four steps of epoch 2
    result = run(training, Listener(report=told.append))
    assert len(result.history) == 4
    assert len(told) == 1
    assert "diverged in epoch 2" in told[0]
    plain = run(exploding(set()), Listener())
    assert result.history[0].valid_loss == plain.history[0].valid_loss
    assert result.history[1].learning_rate == pytest.approx(plain.history[1].learning_rate / 4)


def test_an_epoch_that_diverges_twice_starts_from_the_same_good_moments():
    training = exploding({6, 10})  # the second steps of epoch 2 and of its retry
    training.run(Listener())
    plain = exploding(set())

    def lower(record: EpochRecord) -> None:
        plain.session.rate_factor = LOWER_RATE**2

    plain.run(Listener(on_epoch=lower))
    assert torch.equal(weights(training), weights(plain))


def test_what_diverges_again_and_again_ends_with_step_layer_and_rate():
    told: list[str] = []
    with pytest.raises(
        DivergedError,
        match=r"epoch 2, step 5, in layer burst \(Identity\), learning rate 3\.43e-05",
    ):
        exploding(set(range(5, 1000))).run(Listener(report=told.append))
    assert len(told) == 2


def test_a_target_and_a_patience_stop_with_their_reason():
    easy = EarlyStoppingSection(patience_epochs=None, metric="error", target=0.9)
    result = run(start(section(early_stopping=easy, schedule=Component(name="cosine"))), Listener())
    assert len(result.history) == 1
    assert result.reason.startswith("reached the target")
