"""Several seeds of one training: together as alone, resumed as undisturbed, best or all kept."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from layerline.config import Component, EarlyStoppingSection, RestartsSection, TrainSection
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
from layerline.training.objectives import build_link, describe_targets
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.seeds import Kept, Seeds, trains_together
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots

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
        restarts=RestartsSection(seeds=SEEDS),
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


def restarts(tmp_path: Path, given: TrainingSetup) -> Seeds:
    def open_snapshots(facts: dict[str, Any]) -> Snapshots:
        folder = tmp_path / "-".join(map(str, facts["seeds"]))
        return Snapshots(folder, every_seconds=0, within_seconds=0)

    return Seeds(given, open_snapshots)


def run(tmp_path: Path, given: TrainingSetup) -> tuple[Seeds, Kept, list[str]]:
    told: list[str] = []
    several = restarts(tmp_path, given)
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
    assert [member.seed for member in several.members] == [5, 6, 7]
    assert several.used[0].folder.name == "5-6-7"  # they were trained together
    assert len(several.used) == 1
    for member in several.members:
        network, result = alone(given, member.seed)
        assert member.best.epoch == result.kept_epoch
        torch.testing.assert_close(weights(member.network), weights(network), rtol=1e-3, atol=1e-4)
        for mine, its in zip(member.history, result.history, strict=True):
            one, other = (torch.tensor(dataclasses.astuple(record)[:-1]) for record in (mine, its))
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_each_seed_stops_by_itself(tmp_path: Path) -> None:
    stopping = EarlyStoppingSection(patience_epochs=2)
    fast = Component(name="adamw", options={"learning_rate": 0.05})
    given = material(section(early_stopping=stopping, epochs=40, optimizer=fast))
    several, _, _ = run(tmp_path, given)
    lengths = [len(member.history) for member in several.members]
    assert lengths == [len(alone(given, member.seed)[1].history) for member in several.members]
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
        part, left = restarts(tmp_path / "part", given), 4
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Snapshots, "is_due", is_due)
                part.run(lambda record: None, lambda text: None)
            break
        except KeyboardInterrupt:
            n_stops += 1
    assert n_stops >= 2
    for mine, its in zip(part.members, whole.members, strict=True):
        assert torch.equal(weights(mine.network), weights(its.network))
    part.discard()
    assert not [path for path in (tmp_path / "part").iterdir() if path.is_dir()]


def test_the_best_is_a_plain_network_with_its_own_history(tmp_path: Path) -> None:
    several, kept, told = run(tmp_path, material(section()))
    values = [min(r.valid_loss for r in member.history) for member in several.members]
    best = several.members[values.index(min(values))]
    assert kept.network is best.network
    assert kept.spec.network == "mlp"
    assert kept.result.history == tuple(best.history)
    assert kept.about["kept_seed"] == best.seed
    assert kept.about["seeds"] == dict(zip("567", values, strict=True))
    assert [line.split(":")[0] for line in told] == ["seed 5", "seed 6", "seed 7"]


def test_an_ensemble_answers_with_the_mean_of_the_probabilities(tmp_path: Path) -> None:
    given = material(section(restarts=RestartsSection(seeds=SEEDS, keep="ensemble")))
    several, kept, _ = run(tmp_path, given)
    assert isinstance(kept.network, Ensemble)
    x = given.data.valid.x
    members = [predict(member.network, x).softmax(1) for member in several.members]
    mean = torch.stack(members).mean(0)
    torch.testing.assert_close(predict(kept.network, x).softmax(1), mean)
    again = kept.spec.build()
    again.load_state_dict(kept.network.state_dict())
    assert torch.equal(predict(again, x), predict(kept.network, x))


def diverging(rate: float) -> TrainingSetup:
    wild = Component(name="sgd", options={"learning_rate": rate})
    options = {"hidden": [16, 16], "norm": "none", "dropout": 0.0}
    chosen = section(options=options, optimizer=wild, restarts=RestartsSection(seeds=6))
    return material(chosen)


def test_a_seed_that_diverges_is_trained_alone_or_left_out(tmp_path: Path) -> None:
    several, kept, told = run(tmp_path, diverging(30.0))
    assert any("restarting the epoch" in line for line in told)  # only alone it does
    n_left_out = sum("is left out" in line for line in told)
    assert len(several.members) == len(kept.about["seeds"]) == 6 - n_left_out
    assert all(torch.isfinite(weights(member.network)).all() for member in several.members)


def test_when_every_seed_diverges_the_training_does(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="epoch 1"):
        run(tmp_path, diverging(1e9))


def test_stopped_by_hand_the_best_so_far_is_kept(tmp_path: Path) -> None:
    several, epochs = restarts(tmp_path, material(section())), []

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
    kept = restarts(tmp_path, given).run(records.append, said.append)
    return kept, records, said


@pytest.mark.parametrize("changes", [{}, ALONE], ids=["together", "one by one"])
def test_one_curve_is_logged_also_after_a_resume(tmp_path: Path, changes: dict[str, Any]) -> None:
    given = material(section(**changes))
    kept, records, _ = told_to(tmp_path, given)
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    if changes:
        assert tuple(records) == kept.result.history
    again, retold, said = told_to(tmp_path, given)  # the snapshots are still there
    assert [record.epoch for record in retold] == [1, 2, 3, 4]
    assert torch.equal(weights(again.network), weights(kept.network))
    if changes:
        assert "seed 6: resuming after epoch 4" in said


def test_seeds_one_by_one_share_the_time(tmp_path: Path) -> None:
    budget = EarlyStoppingSection(time_minutes=100)
    given = material(section(**ALONE, early_stopping=budget))
    several = restarts(tmp_path, given)
    several.waiting = [(6,), (7,)]
    assert several._within_time().early_stopping.time_minutes == pytest.approx(100 / 3)
    several.minutes = 40
    several.waiting = [(7,)]
    assert several._within_time().early_stopping.time_minutes == pytest.approx(30)


def test_counts_are_averaged_as_counts(tmp_path: Path) -> None:
    y = torch.randint(1, 9, (90,)).float()
    data = Rows(torch.randn(90, 4), y)
    chosen = section(
        loss=Component(name="poisson"), restarts=RestartsSection(seeds=2, keep="ensemble")
    )
    facts = describe_targets(y, center=0.0, scale=1.0)
    link = build_link(chosen.loss, "regression", facts)
    spec = NetworkSpec("mlp", OPTIONS, (4,), 1, "regression", link=link.to_json())
    given = TrainingSetup(
        TrainingData(data, data, "regression", facts), chosen, spec, seed=5, threads=1
    )
    several, kept, _ = run(tmp_path, given)
    members = [link(predict(member.network, data.x)) for member in several.members]
    torch.testing.assert_close(
        link(predict(kept.network, data.x)), torch.stack(members).mean(0), rtol=1e-4, atol=1e-4
    )
