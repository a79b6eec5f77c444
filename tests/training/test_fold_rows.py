"""Folds: which rows a network learns from, what is kept of all, and that nothing leaks."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transfers import N_ROWS, params_of, table_preprocessor, write_here

from layerline.artifacts import OUT_OF_FOLD, Workspace, read_json, replace_folder
from layerline.config import Component, MembersSection, TrainSection, parse_params
from layerline.errors import DataError, ParamsError, SourceError
from layerline.evaluation.held_out import read_held_out
from layerline.networks.ensemble import Ensemble
from layerline.networks.serialization import NetworkSpec, load_network
from layerline.projects.combinations import combination_problems
from layerline.training.dataset import Rows, TrainingData, load_rows
from layerline.training.fold_rows import Fold, deal_folds, join
from layerline.training.inference import predict
from layerline.training.members import Kept, Members
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots
from layerline.training.train import train

FOLDS = 3
STACKED: dict[str, Any] = {"hidden": [8], "dropout": 0.2}
ALONE: dict[str, Any] = {
    "hidden": [8],
    "norm": "none",
    "numeric_embeddings": {"name": "piecewise_linear", "width": 2, "bins": 4},
}


def scaled(tmp_path: Path, about: dict[str, Any] | None = None, **kinds: Any) -> Path:
    """data/scaled with nothing but what folds go by, for train and validation rows."""
    with replace_folder(tmp_path / "scaled", about or {}) as folder:
        for kind, (train, valid) in kinds.items():
            np.save(folder / f"train_{kind}.npy", np.asarray(train))
            np.save(folder / f"valid_{kind}.npy", np.asarray(valid))
    return tmp_path / "scaled"


def held_out(folds: tuple[Fold, ...]) -> list[set[int]]:
    for fold in folds:
        assert not set(fold.train.tolist()) & set(fold.held_out.tolist())
    return [set(fold.held_out.tolist()) for fold in folds]


def test_each_row_is_held_out_once_and_equal_rows_together(tmp_path: Path) -> None:
    ids = np.arange(60, dtype=np.uint64) // 2  # each row twice
    y = torch.from_numpy(np.arange(60) // 2 % 3)
    dealt = deal_folds(scaled(tmp_path, id=(ids[:40], ids[40:])), y, FOLDS, 0)
    parts = held_out(dealt)
    assert sorted(row for part in parts for row in part) == list(range(60))
    for part in parts:
        assert {row ^ 1 for row in part} == part
        assert np.bincount(y[sorted(part)]).tolist() in ([6, 6, 8], [6, 8, 6], [8, 6, 6], [6, 6, 6])
    assert {fold.n_rows for fold in dealt} == {min(len(fold.train) for fold in dealt)}


def test_groups_stay_whole(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(8, dtype=np.uint64), 5)
    ids = np.arange(40, dtype=np.uint64)
    folder = scaled(tmp_path, id=(ids[:30], ids[30:]), group=(groups[:30], groups[30:]))
    for part in held_out(deal_folds(folder, torch.zeros(40, dtype=torch.int64), 4, 0)):
        assert len(part) == 10
        assert len(set(groups[sorted(part)])) == 2


def test_time_goes_forward_and_the_gap_is_left_out(tmp_path: Path) -> None:
    times = np.arange(30.0)[::-1]  # the latest first: order in the table does not matter
    folder = scaled(tmp_path, {"time_gap": 2.0}, time=(-times, times))
    dealt = deal_folds(folder, torch.zeros(60), FOLDS, 0)
    assert [len(part) for part in held_out(dealt)] == [10, 10, 10]
    for fold, start in zip(dealt, (0, 10, 20), strict=True):
        assert sorted(times[fold.held_out - 30]) == list(range(start, start + 10))
        learnt = fold.train[fold.train >= 30] - 30
        assert sorted(times[learnt]) == list(range(max(start - 2, 0)))
        assert fold.n_rows == 30


def test_what_cannot_be_dealt_is_said(tmp_path: Path) -> None:
    few = np.zeros(9, dtype=np.uint64)
    with pytest.raises(DataError, match=r"train\.folds: 3 folds need at least 3 .*different rows"):
        deal_folds(scaled(tmp_path, id=(few, few)), torch.zeros(18), FOLDS, 0)
    folder = scaled(tmp_path / "b", {"time_gap": 0.0}, time=(few, few))
    with pytest.raises(DataError, match=r"train\.folds: 3 periods.* 1 different times"):
        deal_folds(folder, torch.zeros(18), FOLDS, 0)
    streamed = Rows(torch.zeros(2, 1), torch.zeros(2), is_streamed=True)
    with pytest.raises(ParamsError, match=r"train\.folds.*read from disk"):
        join(streamed, streamed)


def problems_of(**sections: Any) -> str:
    params, problems = parse_params({"project": "p", "fetch": {"source": "files"}, **sections})
    return str(problems if params is None else combination_problems(params))


@pytest.mark.parametrize(
    ("train_section", "message"),
    [
        ({"folds": 4, "members": {"count": 8}}, r"set members\.keep: all"),
        ({"folds": 9, "members": {"count": 8, "keep": "all"}}, "members.count is 8"),
        ({"folds": 4, "transfer": {"from": "x"}}, "folds train a network each"),
        ({"folds": 4, "optimizer": {"name": "lbfgs"}}, "lbfgs takes all rows at once"),
    ],
    ids=["keep", "count", "transfer", "optimizer"],
)
def test_what_does_not_go_with_folds_is_refused(train_section: dict, message: str) -> None:
    assert re.search(message, problems_of(train=train_section))


def test_target_means_are_refused() -> None:
    scale = {"categorical": {"columns": {"city": "target"}}}
    told = problems_of(train={"folds": 4}, scale=scale)
    assert re.search(r"train\.folds.*scale\.categorical: target", told)


def material(options: dict[str, Any], y: Tensor | None = None, **changes: Any) -> TrainingSetup:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(92) % 3
    x = torch.eye(3, 4)[truth] * 2 + torch.randn(92, 4, generator=generator)
    data = Rows(x, truth if y is None else y)
    section = TrainSection(
        options=options, batch_size=16, epochs=3, device="cpu", folds=FOLDS, **changes
    )
    places = torch.randperm(92, generator=generator)
    folds = tuple(
        Fold(k, torch.cat([p for j, p in enumerate(places.chunk(3)) if j != k]), part, 60)
        for k, part in enumerate(places.chunk(3))
    )
    spec = NetworkSpec("mlp", options, (4,), 3, "multiclass", (0, 1, 2))
    every = TrainingData.of(data, data, "multiclass")
    return TrainingSetup(every, section, spec, seed=5, threads=1, folds=folds)


def run(folder: Path, given: TrainingSetup) -> tuple[Members, Kept]:
    members = Members(given, lambda facts: Snapshots(folder, every_seconds=0, within_seconds=0))
    return members, members.run(lambda record: None, lambda text: None)


def state_of(members: Members) -> list[Tensor]:
    return [
        torch.cat([item.detach().double().flatten() for item in m.network.state_dict().values()])
        for m in members.members.values()
    ]


@pytest.mark.parametrize("options", [STACKED, ALONE], ids=["stacked", "alone"])
def test_a_row_is_answered_by_the_network_that_did_not_learn_from_it(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    given = material(options)
    members, kept = run(tmp_path, given)
    assert [len(turn.numbers) for turn in members.turns.all] == (
        [FOLDS] if options is STACKED else [1] * FOLDS
    )
    assert isinstance(kept.network, Ensemble)
    assert kept.out_of_fold is not None
    assert kept.out_of_fold.rows.tolist() == list(range(92))
    for member in members.members.values():
        rows = member.fold.held_out
        expected = predict(member.network, given.data.train.x[rows]).softmax(1)
        found = kept.out_of_fold.outputs[rows].softmax(1)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert (kept.out_of_fold.folds[rows] == member.fold.number).all()
    assert [one["drawn"] for one in kept.about["members"]] == [{"fold": k} for k in range(FOLDS)]


@pytest.mark.parametrize("options", [STACKED, ALONE], ids=["stacked", "alone"])
def test_targets_held_out_do_not_reach_the_weights(tmp_path: Path, options: dict) -> None:
    given = material(options, early_stopping=None)
    y = given.data.train.y.clone()
    y[given.folds[1].held_out] = 0
    changed = material(options, y, early_stopping=None)
    first, other = (state_of(run(tmp_path / n, g)[0]) for n, g in (("a", given), ("b", changed)))
    assert [torch.equal(a, b) for a, b in zip(first, other, strict=True)] == [False, True, False]


def test_stopped_in_the_middle_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    given = material(ALONE)
    whole, kept = run(tmp_path / "whole", given)
    epochs = 0

    def stop(record: Any) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "part"
    part = Members(given, lambda facts: Snapshots(folder, every_seconds=0, within_seconds=0))
    with pytest.raises(KeyboardInterrupt):
        part.run(stop, lambda text: None)
    again, same = run(folder, given)
    for mine, its in zip(state_of(again), state_of(whole), strict=True):
        assert torch.equal(mine, its)
    assert torch.equal(same.out_of_fold.outputs, kept.out_of_fold.outputs)


def test_several_members_share_a_fold_and_their_answers_are_averaged(tmp_path: Path) -> None:
    space = {"optimizer.learning_rate": [0.01, 0.02]}
    several = MembersSection(count=6, keep="all", space=space)
    optimizer = Component(name="adamw", options={"learning_rate": 0.01})
    given = material(STACKED, members=several, optimizer=optimizer)
    members, kept = run(tmp_path, given)
    assert [m.fold.number for m in members.members.values()] == [0, 1, 2, 0, 1, 2]
    rows = given.folds[0].held_out
    pair = [predict(members.members[n].network, given.data.train.x[rows]) for n in (0, 3)]
    mean = torch.stack([one.softmax(1) for one in pair]).mean(0)
    found = kept.out_of_fold.outputs[rows].softmax(1)
    torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-5)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = write_here(tmp_path, table_preprocessor(["age", "height"]))
    about = read_json(made.scaled / "manifest.json")
    about = {key: value for key, value in about.items() if key not in ("files", "format")}
    arrays = {path.name: np.load(path) for path in made.scaled.glob("*.npy")}
    for number, split in enumerate(("train", "valid", "test")):
        arrays[f"{split}_id.npy"] = np.arange(N_ROWS, dtype=np.uint64) + number * N_ROWS
    with replace_folder(made.scaled, about) as folder:
        for name, array in arrays.items():
            np.save(folder / name, array)
    return made


def test_the_stage_keeps_the_answers_out_of_fold(workspace: Workspace) -> None:
    params = params_of(None, folds=FOLDS)
    train(workspace, params, lambda record: None)
    network, spec = load_network(workspace.network)
    assert (spec.network, spec.options["members"]) == ("ensemble", FOLDS)
    rows = {split: load_rows(workspace.scaled, split) for split in ("train", "valid")}
    held = read_held_out(workspace.network, network, rows)
    assert held.is_out_of_fold
    assert len(held.outputs) == len(held.rows.y) == 2 * N_ROWS
    assert torch.equal(held.rows.y, torch.cat([rows["train"].y, rows["valid"].y]))
    assert set(load_file(workspace.network / OUT_OF_FOLD)) == {"outputs", "row", "fold"}
    first = (workspace.network / OUT_OF_FOLD).read_bytes()
    train(workspace, params, lambda record: None)
    assert (workspace.network / OUT_OF_FOLD).read_bytes() == first
    fewer = {**rows, "valid": dataclasses.replace(rows["valid"], x=rows["valid"].x[:1])}
    with pytest.raises(SourceError, match="other rows than data/scaled"):
        read_held_out(workspace.network, network, fewer)
    (workspace.network / OUT_OF_FOLD).write_bytes(b"nothing")
    with pytest.raises(SourceError, match="damaged"):
        read_held_out(workspace.network, network, rows)
