"""A training whose patience is over goes back to its best weights, and its rate falls to 0."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import cross_entropy

from layerline.config import Component, EarlyStoppingSection, MembersSection, TrainSection
from layerline.networks import build_network
from layerline.networks.serialization import NetworkSpec
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import FitResult, Listener
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.members import Kept, Members
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots

PATIENCE, COOLDOWN = 3, 4


def noise(n_rows: int, seed: int) -> Rows:
    """Nothing to learn, so that a network over-fits at once."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_rows, 4, generator=generator)
    return Rows(x, torch.randint(3, (n_rows,), generator=generator))


def section(**changes: Any) -> TrainSection:
    first = TrainSection(
        options={"hidden": [16], "dropout": 0.2},
        batch_size=16,
        epochs=60,
        device="cpu",
        optimizer=Component(name="adamw", options={"learning_rate": 0.02}),
        schedule=Component(name="constant"),
        early_stopping=EarlyStoppingSection(patience_epochs=PATIENCE, cooldown_epochs=COOLDOWN),
    )
    return dataclasses.replace(first, **changes)


def clusters(n_rows: int, seed: int) -> Rows:
    """Three classes that overlap: steps at a high rate leave the weights noisy."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n_rows) % 3
    return Rows(torch.eye(3, 4)[y] * 2 + torch.randn(n_rows, 4, generator=generator), y)


def start(chosen: TrainSection, rows: Callable[[int, int], Rows] = noise) -> Training:
    prepare_torch(0, 1)
    network = build_network(chosen.network, chosen.options, input_shape=(4,), d_out=3)
    data = TrainingData.of(rows(64, 0), rows(60, 1), "multiclass")
    return Training([Member(network, 0)], data, chosen)


def run(training: Training) -> FitResult:
    training.run(Listener())
    return training.members[0].result


def weights(training: Training) -> Tensor:
    network = training.members[0].network
    return torch.cat([p.detach().flatten().clone() for p in network.state_dict().values()])


def test_it_ends_when_the_rate_has_fallen_to_zero() -> None:
    result = run(start(section()))
    rates = [record.learning_rate / 0.02 for record in result.history]
    steps = 4 * COOLDOWN  # in batches of 16
    falling = [(1 + math.cos(math.pi * (4 * n - 0.5) / steps)) / 2 for n in range(1, COOLDOWN + 1)]
    assert rates[:-COOLDOWN] == pytest.approx([1.0] * (len(rates) - COOLDOWN))
    assert rates[-COOLDOWN:] == pytest.approx(falling)
    assert result.reason == f"cooled down for {COOLDOWN} epochs"
    assert len(rates) < 60


def test_it_begins_at_the_best_weights_once_patience_is_over() -> None:
    chosen = section()
    training = start(chosen)
    while training.session.cooldown is None:
        best = training.members[0].best.epoch
        training.run_epoch(Listener())
    assert len(training.members[0].history) == best + PATIENCE
    stopped = start(
        dataclasses.replace(chosen, early_stopping=EarlyStoppingSection(patience_epochs=PATIENCE))
    )
    run(stopped)
    assert torch.equal(weights(training), weights(stopped))


def test_what_the_cooldown_gains_is_kept() -> None:
    learning = Component(name="adamw", options={"learning_rate": 0.03})
    training = start(section(optimizer=learning), clusters)
    losses = [record.valid_loss for record in run(training).history]
    valid = clusters(60, 1)
    with torch.inference_mode():
        kept = cross_entropy(training.members[0].network(valid.x), valid.y).item()
    assert kept == pytest.approx(min(losses[-COOLDOWN:]), rel=1e-5)
    assert kept < min(losses[:-COOLDOWN])


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_resumed_cooldown_ends_with_the_same_bytes(tmp_path: Path, average: float | None) -> None:
    chosen = section(average=average)
    whole = start(chosen)
    expected = run(whole)
    interrupted = start(chosen)
    while interrupted.session.cooldown is None or not interrupted.losses:
        interrupted._take_steps(Listener(), None)
        if interrupted.session.cooldown is None:
            interrupted._finish_epoch(interrupted._measure())
    snapshots = Snapshots(tmp_path / "snapshot", every_seconds=0, within_seconds=0)
    snapshots.save(interrupted.state())
    resumed = start(chosen)
    state = snapshots.load()
    assert state is not None
    resumed.load(state)
    result = run(resumed)
    assert torch.equal(weights(whole), weights(resumed))
    assert [r.valid_loss for r in result.history] == [r.valid_loss for r in expected.history]


def test_an_average_of_weights_begins_again_with_the_best_ones() -> None:
    training = start(section(average=0.9))
    while training.session.cooldown is None:
        training.run_epoch(Listener())
    live = weights(training)
    with training.session.averaged():
        assert torch.equal(weights(training), live)


def trained(tmp_path: Path, chosen: TrainSection) -> Kept:
    spec = NetworkSpec(chosen.network, chosen.options, (4,), 3, "multiclass", (0, 1, 2))
    data = TrainingData.of(noise(64, 0), noise(60, 1), "multiclass")
    setup = TrainingSetup(data, chosen, spec, seed=0, threads=1)
    members = Members(setup, lambda facts: Snapshots(tmp_path / "snapshot"))
    return members.run(lambda record: None, lambda message: None)


def test_every_member_cools_down_in_its_own_time(tmp_path: Path) -> None:
    chosen = section(members=MembersSection(count=3, keep="all", space={}))
    kept = trained(tmp_path, chosen)
    assert kept.result.reason == f"cooled down for {COOLDOWN} epochs"
    alone = run(start(section()))
    assert kept.about["members"][0]["epoch"] == alone.kept_epoch


def test_without_patience_there_is_no_moment_to_begin() -> None:
    with pytest.raises(ValidationError, match="a cooldown begins when patience is over"):
        EarlyStoppingSection(patience_epochs=None, cooldown_epochs=3)
