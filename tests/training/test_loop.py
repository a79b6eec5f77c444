"""What training promises: it learns, it is exact, it keeps the best and it stops on time."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from layerline.config import BatchGrowthSection, Component, EarlyStoppingSection, TrainSection
from layerline.errors import DivergedError, ParamsError
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.fit import fit
from layerline.training.inference import predict
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.objectives import TargetFacts
from layerline.training.optimizers import OPTIMIZERS


def clusters(n_rows: int, n_classes: int = 3, seed: int = 0) -> Rows:
    """Rows around a centre for each class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n_rows) % n_classes
    centres = torch.eye(n_classes, 4) * 4
    return Rows(centres[y] + torch.randn(n_rows, 4, generator=generator), y)


def section(**changes: Any) -> TrainSection:
    options = {"hidden": [16], "dropout": 0.1}
    first = TrainSection(options=options, batch_size=32, epochs=20, device="cpu")
    return dataclasses.replace(first, **changes)


def train(
    chosen: TrainSection, rows: Rows | None = None, valid: Rows | None = None, seed: int = 0
) -> tuple[nn.Module, FitResult, list[EpochRecord]]:
    prepare_torch(seed, 1)
    rows = rows or clusters(200)
    task = "multiclass" if rows.y.dtype == torch.int64 else "regression"
    d_out = 3 if task == "multiclass" else 1
    network = build_network(chosen.network, chosen.options, input_shape=(4,), d_out=d_out)
    told: list[EpochRecord] = []
    data = TrainingData.of(rows, valid or clusters(60, seed=1), task)
    result = fit(network, data, chosen, seed=seed, on_epoch=told.append)
    return network, result, told


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_overfits_32_rows(name: str) -> None:
    chosen = section(
        options={"hidden": [64], "dropout": 0.0},
        optimizer=Component(name=name, options={"learning_rate": 0.02}),
        epochs=300,
        early_stopping=None,
    )
    few = Rows(torch.randn(32, 4, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 3)
    network, _, _ = train(chosen, rows=few)
    assert (predict(network, few.x).argmax(1) == few.y).double().mean() > 0.95


def test_the_loss_starts_near_log_k() -> None:
    _, result, _ = train(
        section(epochs=1, optimizer=Component(name="sgd", options={"learning_rate": 1e-6}))
    )
    assert result.history[0].valid_loss == pytest.approx(math.log(3), abs=0.6)


def test_regression_learns_a_line() -> None:
    x = torch.randn(400, 4)
    y = x @ torch.tensor([1.0, -2.0, 0.5, 0.0])
    rows, valid = Rows(x[:300], y[:300] / y.std()), Rows(x[300:], y[300:] / y.std())
    options = {"hidden": [64], "dropout": 0.0, "norm": "none"}
    learning = Component(name="adamw", options={"learning_rate": 0.01})
    _, result, _ = train(section(options=options, epochs=60, optimizer=learning), rows, valid)
    assert min(record.valid_error for record in result.history) < 0.1


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    weights = [
        torch.cat([p.flatten() for p in train(section(), seed=s)[0].parameters()])
        for s in (3, 3, 4)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_callable_sees_every_epoch_and_changes_nothing() -> None:
    network, result, told = train(section())
    assert tuple(told) == result.history
    assert [record.epoch for record in told] == list(range(1, len(told) + 1))
    assert not network.training


def test_early_stopping_restores_the_best_weights() -> None:
    noise = Rows(torch.randn(60, 4), torch.randint(3, (60,)))  # nothing to learn: it over-fits
    chosen = section(
        epochs=200,
        optimizer=Component(name="adamw", options={"learning_rate": 0.02}),
        early_stopping=EarlyStoppingSection(patience_epochs=5),
    )
    valid = clusters(60, seed=1)
    network, result, _ = train(chosen, rows=noise, valid=valid)
    losses = [record.valid_loss for record in result.history]
    assert result.stopped_early
    assert len(losses) == result.kept_epoch + 5
    assert losses[result.kept_epoch - 1] == min(losses)
    restored = nn.functional.cross_entropy(predict(network, valid.x), valid.y)
    assert float(restored) == pytest.approx(min(losses), abs=1e-6)


def test_without_early_stopping_the_last_weights_stay() -> None:
    _, result, _ = train(section(early_stopping=None, epochs=7))
    assert (len(result.history), result.kept_epoch, result.stopped_early) == (7, 7, False)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
@pytest.mark.parametrize("n_rows", [2, 31, 33, 64, 65])
def test_no_batch_is_too_small_for_batch_norm(n_rows: int, batch_size: int) -> None:
    _, result, _ = train(section(epochs=2, batch_size=batch_size), rows=clusters(n_rows))
    assert len(result.history) == 2


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_rate() -> None:
    x = torch.randn(200, 4)
    rows = Rows(x, x.sum(1) * 1e30)
    wild = Component(name="sgd", options={"learning_rate": 1600.0})
    with pytest.raises(
        DivergedError, match=r"epoch 1, step \d+, in the loss itself, learning rate 99\.5"
    ) as caught:
        train(section(optimizer=wild), rows=rows, valid=rows)
    assert caught.value.exit_code == 5


def test_an_unknown_optimizer_is_reported_with_the_names() -> None:
    with pytest.raises(
        ParamsError, match=r"'adamv' is not known; did you mean 'adam'.* adam, adamw, lbfgs"
    ):
        train(section(optimizer=Component(name="adamv")))


def test_a_device_that_is_not_there_is_reported() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(ParamsError, match=r"train\.device: 'cuda' is missing"):
        train(section(device="cuda"))


def test_weight_decay_spares_biases_and_norms() -> None:
    network = build_network("mlp", {"hidden": [8]}, input_shape=(4,), d_out=2)
    for name in ("sgd", "adam", "adamw", "rmsprop"):
        builder = OPTIMIZERS[name].build
        decayed, spared = builder(network, weight_decay=0.1).param_groups
        assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0), name
        assert {p.ndim for p in decayed["params"]} == {2}
        assert {p.ndim for p in spared["params"]} == {1}


def test_bfloat16_learns_as_float32_does() -> None:
    errors = [
        train(section(precision=precision))[1].history[-1].valid_error
        for precision in ("float32", "bfloat16")
    ]
    assert max(errors) < 0.15


def test_clipping_bounds_the_step() -> None:
    rows = Rows(torch.randn(64, 4) * 100, torch.arange(64) % 3)
    moved = {}
    for clip in (None, 1e-3):
        plain = {"hidden": [8], "norm": "none", "dropout": 0.0}
        sgd = Component(name="sgd", options={"learning_rate": 0.1, "momentum": 0.0})
        chosen = section(
            options=plain,
            optimizer=sgd,
            epochs=1,
            batch_size=64,
            clip_norm=clip,
            early_stopping=None,
        )
        prepare_torch(0, 1)
        start = build_network("mlp", plain, input_shape=(4,), d_out=3).state_dict()
        network, _, _ = train(chosen, rows=rows)
        steps = [(value - start[name]).norm() for name, value in network.state_dict().items()]
        moved[clip] = float(torch.stack(steps).norm())
    assert moved[1e-3] <= 0.1 * 1e-3 * 1.01 < moved[None]


def test_the_gradients_norm_is_reported_from_before_clipping() -> None:
    norms = [
        train(section(epochs=1, clip_norm=clip))[1].history[0].gradient_norm
        for clip in (None, 1e-3)
    ]
    assert norms[0] > 0.01
    assert norms[1] > 0.01


def test_a_time_budget_ends_an_epoch_in_its_middle() -> None:
    budget = EarlyStoppingSection(time_minutes=1e-6)
    network, result, _ = train(section(early_stopping=budget))
    assert len(result.history) == 1
    assert result.reason.startswith("the time budget")
    prepare_torch(0, 1)
    start = build_network("mlp", section().options, input_shape=(4,), d_out=3)
    # One of seven steps: its weights moved by at most the rate of AdamW's first step.
    moved = max(
        float((p - q).detach().abs().max())
        for p, q in zip(network.parameters(), start.parameters(), strict=True)
    )
    assert 0 < moved < 1.1e-3


@pytest.mark.parametrize(("target", "n_epochs"), [(5000.0, 1), (1e-3, 3)])
def test_the_target_of_an_error_is_in_the_users_unit(target: float, n_epochs: int) -> None:
    x = torch.randn(90, 4)
    rows = Rows(x, x.sum(1) / 2)
    chosen = section(
        epochs=3,
        early_stopping=EarlyStoppingSection(metric="error", target=target),
    )
    prepare_torch(0, 1)
    network = build_network("mlp", chosen.options, input_shape=(4,), d_out=1)
    facts = TargetFacts(center=1e5, scale=2000.0)  # an error of 1 is 2,000 for the user
    member = Member(network, 0)
    Training([member], TrainingData(rows, rows, "regression", facts), chosen).run(Listener())
    result = member.result
    assert len(result.history) == n_epochs
    if n_epochs == 1:
        value = result.history[0].valid_error * 2000
        assert result.reason == f"reached the target: {value:.4g} at epoch 1, 5000 was asked for"


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_norm": 1.0},
        {"accumulate": 2},
        {"batch_growth": BatchGrowthSection()},
        {"sampling": "balanced"},
        {"augment": (Component(name="mixup"),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_has_no_place_beside_lbfgs_is_refused(changes: dict[str, Any]) -> None:
    setting = next(iter(changes))
    with pytest.raises(ParamsError, match=rf"train\.{setting}: lbfgs minimises one loss of all"):
        train(section(optimizer=Component(name="lbfgs"), **changes))


def test_lbfgs_takes_its_rows_once_a_step() -> None:
    taken = []

    class Counted(Rows):
        def take(self, batch: Tensor) -> tuple[Tensor, Tensor]:
            taken.append(len(batch))
            return super().take(batch)

        def to(self, device: torch.device) -> "Rows":
            return self

    rows = clusters(60)
    lbfgs = Component(name="lbfgs")
    train(section(optimizer=lbfgs, epochs=2), rows=Counted(rows.x, rows.y))
    assert taken == [60, 60]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optimizer": Component(name="lbfgs")}, r"train\.optimizer: the rows need more than half"),
        ({"sampling": "balanced"}, r"train\.sampling: .* draws single rows .*class_weights"),
    ],
)
def test_what_would_read_a_large_file_here_and_there_is_refused(changes, told) -> None:
    rows = dataclasses.replace(clusters(60), is_streamed=True)
    with pytest.raises(ParamsError, match=told):
        train(section(**changes), rows=rows)
