"""Several members of one training: together as alone, resumed as undisturbed, what is kept."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layerline.config import (
    Component,
    EarlyStoppingSection,
    MembersSection,
    RangeSection,
    TrainSection,
)
from layerline.errors import DivergedError
from layerline.networks import build_network
from layerline.networks.ensemble import Ensemble
from layerline.networks.serialization import NetworkSpec
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.fit import fit
from layerline.training.inference import predict
from layerline.training.loop import Training
from layerline.training.members import Kept, Members
from layerline.training.objectives import build_link, describe_targets
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots
from layerline.training.stacking import trains_together

SEEDS = 3
OPTIONS: dict[str, Any] = {"hidden": [8, 8], "dropout": 0.3, "norm": "batch"}


def rows(n_rows: int, seed: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n_rows) % 3
    return Rows(torch.eye(3, 4)[y] * 2 + torch.randn(n_rows, 4, generator=generator), y)


def section(**changes: Any) -> TrainSection:
    first = TrainSection(
        options=OPTIONS,
        batch_size=16,
        epochs=4,
        device="cpu",
        members=MembersSection(count=SEEDS, keep="best", space={}),
    )
    return dataclasses.replace(first, **changes)


def material(chosen: TrainSection, train: Rows | None = None) -> TrainingSetup:
    data = train or rows(90, 0)
    spec = NetworkSpec(
        chosen.network, chosen.options, tuple(data.x.shape[1:]), 3, "multiclass", (0, 1, 2)
    )
    return TrainingSetup(
        TrainingData.of(data, rows(60, 1), "multiclass"), chosen, spec, seed=5, threads=1
    )


def prepared(tmp_path: Path, given: TrainingSetup) -> Members:
    def open_snapshots(facts: dict[str, Any]) -> Snapshots:
        return Snapshots(tmp_path / "snapshot", every_seconds=0, within_seconds=0)

    return Members(given, open_snapshots)


def run(tmp_path: Path, given: TrainingSetup) -> tuple[Members, Kept, list[str]]:
    told: list[str] = []
    several = prepared(tmp_path, given)
    return several, several.run(lambda record: None, told.append), told


def alone(given: TrainingSetup, seed: int) -> tuple[nn.Module, FitResult]:
    network = given.build_member(seed).network
    return network, fit(network, given.data, given.section, seed=seed)


def weights(network: nn.Module) -> Tensor:
    return torch.cat([item.detach().double().flatten() for item in network.state_dict().values()])


VARIATIONS = {
    "plain": {},
    "averaged, accumulated, clipped": {"average": 0.9, "accumulate": 2, "clip_norm": 0.1},
    "balanced, mixed up": {"sampling": "balanced", "augment": (Component(name="mixup"),)},
    "layer norm, residual": {
        "options": {**OPTIONS, "norm": "layer", "residual": True, "input_dropout": 0.1}
    },
    "seven layers": {"network": "seven_layer", "options": {"hidden": [6, 5, 5, 5, 5, 5]}},
    "a loss that weighs classes": {
        "loss": Component(name="cross_entropy", options={"class_weights": [1.0, 2.0, 3.0]})
    },
    "no stopping": {"early_stopping": None},
    "bfloat16": {"precision": "bfloat16", "options": {**OPTIONS, "dropout": 0.0}},
    **{
        name: {"optimizer": Component(name=name)}
        for name, line in OPTIMIZERS.items()
        if line.stackable
    },
}


@pytest.mark.parametrize("changes", VARIATIONS.values(), ids=VARIATIONS.keys())
def test_together_each_seed_gives_what_it_gives_alone(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    given = material(section(**changes))
    several, _, _ = run(tmp_path, given)
    assert [member.seed for member in several.members.values()] == [5, 6, 7]
    assert [turn.numbers for turn in several.turns.all] == [(0, 1, 2)]  # they trained together
    for member in several.members.values():
        network, result = alone(given, member.seed)
        assert member.best.epoch == result.kept_epoch
        torch.testing.assert_close(weights(member.network), weights(network), rtol=1e-3, atol=1e-4)
        for mine, its in zip(member.history, result.history, strict=True):
            one, other = (torch.tensor(dataclasses.astuple(record)[:-2]) for record in (mine, its))
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_each_seed_stops_by_itself(tmp_path: Path) -> None:
    stopping = EarlyStoppingSection(patience_epochs=2)
    fast = Component(name="adamw", options={"learning_rate": 0.05})
    given = material(section(early_stopping=stopping, epochs=40, optimizer=fast))
    several, _, _ = run(tmp_path, given)
    lengths = [len(member.history) for member in several.members.values()]
    assert lengths == [
        len(alone(given, member.seed)[1].history) for member in several.members.values()
    ]
    assert len(set(lengths)) > 1


@pytest.mark.parametrize("schedule", ["cosine", "reduce_on_plateau"])  # together, one by one
def test_stopped_again_and_again_it_ends_with_the_same_bytes(tmp_path: Path, schedule: str) -> None:
    given = material(section(schedule=Component(name=schedule), accumulate=2))
    whole = run(tmp_path / "whole", given)[0]
    left, n_stops = 4, 0

    def is_due(*_: Any, **__: Any) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return True

    while True:
        part, left = prepared(tmp_path / "part", given), 4
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Snapshots, "is_due", is_due)
                part.run(lambda record: None, lambda text: None)
            break
        except KeyboardInterrupt:
            n_stops += 1
    assert n_stops >= 2
    for mine, its in zip(part.members.values(), whole.members.values(), strict=True):
        assert torch.equal(weights(mine.network), weights(its.network))
    part.discard()
    assert not [path for path in (tmp_path / "part").iterdir() if path.is_dir()]


def test_the_best_is_a_plain_network_with_its_own_history(tmp_path: Path) -> None:
    several, kept, told = run(tmp_path, material(section()))
    values = [min(r.valid_loss for r in member.history) for member in several.members.values()]
    best = several.members[values.index(min(values))]
    assert kept.network is best.network
    assert kept.spec.network == "mlp"
    assert kept.result.history == tuple(best.history)
    assert kept.about["kept_seed"] == best.seed
    assert [(one["seed"], one["value"]) for one in kept.about["members"]] == list(
        zip((5, 6, 7), values, strict=True)
    )
    assert [line.split(":")[0] for line in told] == ["seed 5", "seed 6", "seed 7"]


def test_an_ensemble_answers_with_the_mean_of_the_probabilities(tmp_path: Path) -> None:
    given = material(section(members=MembersSection(count=SEEDS, keep="all", space={})))
    several, kept, _ = run(tmp_path, given)
    assert isinstance(kept.network, Ensemble)
    x = given.data.valid.x
    members = [predict(member.network, x).softmax(1) for member in several.members.values()]
    mean = torch.stack(members).mean(0)
    torch.testing.assert_close(predict(kept.network, x).softmax(1), mean)
    again = kept.spec.build()
    again.load_state_dict(kept.network.state_dict())
    assert torch.equal(predict(again, x), predict(kept.network, x))


def diverging(rate: float) -> TrainingSetup:
    wild = Component(name="sgd", options={"learning_rate": rate})
    options = {"hidden": [16, 16], "norm": "none", "dropout": 0.0}
    chosen = section(
        options=options, optimizer=wild, members=MembersSection(count=6, keep="best", space={})
    )
    return material(chosen)


def test_a_seed_that_diverges_is_trained_alone_or_left_out(tmp_path: Path) -> None:
    several, kept, told = run(tmp_path, diverging(30.0))
    assert any("restarting the epoch" in line for line in told)  # only alone it does
    n_left_out = sum("is left out" in line for line in told)
    assert len(several.members) == len(kept.about["members"]) == 6 - n_left_out
    assert all(torch.isfinite(weights(member.network)).all() for member in several.members.values())


def test_when_every_seed_diverges_the_training_does(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="epoch 1"):
        run(tmp_path, diverging(1e9))


def test_stopped_by_hand_the_best_so_far_is_kept(tmp_path: Path) -> None:
    several, epochs = prepared(tmp_path, material(section())), []

    def stop(record: Any) -> None:
        epochs.append(record.epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    assert several.interrupted() is None
    with pytest.raises(KeyboardInterrupt):
        several.run(stop, lambda text: None)
    kept = several.interrupted()
    assert kept is not None
    assert len(kept.result.history) == 2


def test_the_leader_is_reported_while_they_train() -> None:
    given = material(section())
    members = [given.build_member(seed) for seed in (5, 6, 7)]
    told = []
    Training(members, given.data, given.section).run(Listener(on_epoch=told.append))
    assert [record.epoch for record in told] == [1, 2, 3, 4]
    assert all(any(record in member.history for member in members) for record in told)
    prepare_torch(0, 1)


def test_large_networks_are_trained_one_after_another() -> None:
    rows = Rows(torch.zeros(10, 300), torch.zeros(10, dtype=torch.int64))
    section = TrainSection(batch_size=256, device="cpu")
    small, large = (
        build_network("mlp", {"hidden": [width]}, input_shape=(300,), d_out=2)
        for width in (32, 512)
    )
    assert trains_together(section, rows, small)
    assert not trains_together(section, rows, large)
    assert not trains_together(section, dataclasses.replace(rows, is_streamed=True), small)


ALONE = {"optimizer": Component(name="muon")}


def told_to(tmp_path: Path, given: TrainingSetup) -> tuple[Kept, list[EpochRecord], list[str]]:
    records: list[EpochRecord] = []
    said: list[str] = []
    kept = prepared(tmp_path, given).run(records.append, said.append)
    return kept, records, said


@pytest.mark.parametrize("keep", ["best", "all"])
@pytest.mark.parametrize("changes", [{}, ALONE], ids=["together", "in turns"])
def test_one_curve_is_logged_also_after_a_resume(
    tmp_path: Path, changes: dict[str, Any], keep: Any
) -> None:
    members = MembersSection(count=SEEDS, keep=keep, space={})
    given = material(section(**changes, members=members))
    kept, records, _ = told_to(tmp_path, given)
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    if keep == "all":
        assert tuple(records) == kept.result.history
    again, retold, said = told_to(tmp_path, given)  # the snapshot is still there
    assert retold == records
    assert torch.equal(weights(again.network), weights(kept.network))
    assert "train: resuming after epoch 4" in said


def test_trainings_in_turns_end_together_when_the_time_is_up(tmp_path: Path) -> None:
    budget = EarlyStoppingSection(time_minutes=1e-4)
    chosen = section(**ALONE, early_stopping=budget, epochs=1000)
    several, kept, _ = run(tmp_path, material(chosen))
    assert {turn.training.rules.time_minutes for turn in several.turns.all} == {1e-4}
    assert {member.reason for member in several.members.values()} == {kept.result.reason}
    assert kept.result.reason == "the time budget of 0.0001 minutes is used up"
    facts = several.setup.manifest_facts(kept.result)
    assert facts["stopped"] == kept.result.reason


SPACE = {
    "optimizer.learning_rate": RangeSection(low=1e-3, high=1e-1, log=True),
    "optimizer.weight_decay": [0.0, 0.1, 0.5],
    "options.dropout": RangeSection(low=0.1, high=0.5),
}


def test_members_that_differ_train_together_as_each_does_alone(tmp_path: Path) -> None:
    members = MembersSection(count=SEEDS, keep="all", space=SPACE)
    given = material(section(members=members, epochs=6, accumulate=2, clip_norm=0.5))
    several, kept, _ = run(tmp_path, given)
    assert [turn.numbers for turn in several.turns.all] == [(0, 1, 2)]
    assert len({own.drawn["options.dropout"] for own in several.settings}) == SEEDS
    for own, member in zip(several.settings, several.members.values(), strict=True):
        network = given.build_member(own.seed, own.section.options).network
        result = fit(network, given.data, own.section, seed=own.seed)
        torch.testing.assert_close(weights(member.network), weights(network), rtol=1e-3, atol=1e-4)
        rates = [record.learning_rate for record in result.history]
        assert [record.learning_rate for record in member.history] == pytest.approx(rates)
    assert [one["drawn"] for one in kept.about["members"]] == [
        dict(own.drawn) for own in several.settings
    ]


def test_members_of_other_shapes_take_turns_and_answer_as_one(tmp_path: Path) -> None:
    space = {"options.hidden": [[8, 8], [6]], "options.norm": ["batch"]}
    given = material(section(members=MembersSection(count=4, keep="all", space=space)))
    several, kept, _ = run(tmp_path, given)
    assert sorted(len(turn.numbers) for turn in several.turns.all) == [2, 2]
    x = given.data.valid.x
    mean = torch.stack([predict(m.network, x).softmax(1) for m in several.members.values()]).mean(0)
    torch.testing.assert_close(predict(kept.network, x).softmax(1), mean)
    again = kept.spec.build()
    again.load_state_dict(kept.network.state_dict())
    assert torch.equal(predict(again, x), predict(kept.network, x))


def test_the_chosen_ones_are_no_worse_than_any_on_validation_rows(tmp_path: Path) -> None:
    given = material(section(members=MembersSection(count=SEEDS, keep="greedy", space=SPACE)))
    _, kept, _ = run(tmp_path, given)
    valid = given.data.valid
    loss = float(F.cross_entropy(predict(kept.network, valid.x), valid.y))
    shares = [one["weight"] for one in kept.about["members"]]
    assert sum(shares) == pytest.approx(1)
    assert loss <= min(one["value"] for one in kept.about["members"]) + 1e-6
    assert loss <= kept.result.history[-1].valid_loss + 1e-6


def test_the_whole_stops_when_the_ensemble_gains_nothing(tmp_path: Path) -> None:
    stopping = EarlyStoppingSection(patience_epochs=3)
    fast = Component(name="adamw", options={"learning_rate": 0.05})
    members = MembersSection(count=SEEDS, keep="all", space={})
    chosen = section(early_stopping=stopping, epochs=60, optimizer=fast, members=members)
    _, kept, _ = run(tmp_path, material(chosen))
    losses = [record.valid_loss for record in kept.result.history]
    assert kept.result.reason == "no better for 3 epochs"
    assert len(losses) - kept.result.kept_epoch == 3
    assert losses[kept.result.kept_epoch - 1] == min(losses)


def test_counts_are_averaged_as_counts(tmp_path: Path) -> None:
    y = torch.randint(1, 9, (90,)).float()
    data = Rows(torch.randn(90, 4), y)
    chosen = section(
        loss=Component(name="poisson"), members=MembersSection(count=2, keep="all", space={})
    )
    facts = describe_targets(y, center=0.0, scale=1.0)
    link = build_link(chosen.loss, "regression", facts)
    spec = NetworkSpec("mlp", OPTIONS, (4,), 1, "regression", link=link.to_json())
    given = TrainingSetup(
        TrainingData(data, data, "regression", facts), chosen, spec, seed=5, threads=1
    )
    several, kept, _ = run(tmp_path, given)
    members = [link(predict(member.network, data.x)) for member in several.members.values()]
    torch.testing.assert_close(
        link(predict(kept.network, data.x)), torch.stack(members).mean(0), rtol=1e-4, atol=1e-4
    )
