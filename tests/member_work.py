"""Small trainings of several members, alone or on the ranks of `torchrun member_work.py FOLDER`.

Each rank trains every case; rank 0 leaves its weights, losses and reports in FOLDER.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from layerline.config import (
    Component,
    EarlyStoppingSection,
    MembersSection,
    TrainSection,
    read_rank_place,
)
from layerline.errors import DivergedError
from layerline.kernels.ranks import ALONE, Ranks
from layerline.networks.serialization import NetworkSpec
from layerline.training.dataset import Rows, TrainingData
from layerline.training.epoch_records import EpochRecord
from layerline.training.fold_rows import Fold
from layerline.training.members import Kept, Members
from layerline.training.rank_group import join, open_snapshots
from layerline.training.ranked_members import RankedMembers
from layerline.training.setup import TrainingSetup

PLAIN = TrainSection(
    options={"hidden": [8, 8], "dropout": 0.3, "norm": "batch"},
    batch_size=16,
    epochs=9,
    device="cpu",
    precision="float32",
    early_stopping=EarlyStoppingSection(patience_epochs=3),
    members=MembersSection(count=3, keep="all", space={}),
)
SHAPES = MembersSection(count=6, keep="greedy", space={"options.hidden": [[8, 8], [12], [5]]})
BY_TURNS = Component(name="reduce_on_plateau")  # no stack has rates of its own
CASES: dict[str, dict[str, Any]] = {
    "by_turns": {"schedule": BY_TURNS},
    "best": {"schedule": BY_TURNS, "members": MembersSection(count=3, keep="best", space={})},
    "other_shapes": {"members": SHAPES},
    "last_weights": {"schedule": BY_TURNS, "early_stopping": None},
    "folds": {"schedule": BY_TURNS, "members": None, "folds": 3},
    "one_stack": {},
    "one_diverges": {
        "options": {"hidden": [16, 16], "norm": "none", "dropout": 0.0},
        "schedule": BY_TURNS,
        "optimizer": Component(name="sgd", options={"learning_rate": 0.01}),
        "members": MembersSection(
            count=4, keep="all", space={"optimizer.learning_rate": [0.01, 1e9]}
        ),
    },
}
KILLED, FAILED = "killed", "failed"


def rows(n_rows: int, seed: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n_rows) % 3
    return Rows(torch.eye(3, 4)[y] * 2 + torch.randn(n_rows, 4, generator=generator), y)


def setup(name: str, ranks: Ranks = ALONE) -> TrainingSetup:
    section = dataclasses.replace(PLAIN, **CASES.get(name, CASES["by_turns"]))
    if name == FAILED:
        wild = Component(name="sgd", options={"learning_rate": 1e9})
        options = {"hidden": [16, 16], "norm": "none", "dropout": 0.0}
        section = dataclasses.replace(section, optimizer=wild, options=options)
    train, valid = rows(90, 0), rows(60, 1)
    folds: tuple[Fold, ...] = ()
    if section.folds:
        train = valid = rows(120, 0)
        places = torch.arange(120)
        folds = tuple(
            Fold(k, places[places % 3 != k], places[places % 3 == k], 80) for k in range(3)
        )
    spec = NetworkSpec("mlp", section.options, (4,), 3, "multiclass", (0, 1, 2))
    data = TrainingData.of(train, valid, "multiclass")
    return TrainingSetup(data, section, spec, 5, 1, ranks=ranks, folds=folds)


def train(
    name: str,
    folder: Path,
    ranks: Ranks = ALONE,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> tuple[Members, Kept, list[str]]:
    """Train a case; its snapshots, taken whenever they can be, lie in the folder."""

    def snapshots(facts: dict[str, Any]) -> Any:
        found = open_snapshots(folder / f"{name}-snapshot", ranks)
        found.every_seconds = found.within_seconds = 0
        return found

    kind = Members if ranks == ALONE else RankedMembers
    members, reports = kind(setup(name, ranks), snapshots), list[str]()
    return members, members.run(on_epoch, reports.append), reports


def outcome(kept: Kept) -> dict[str, Tensor]:
    """The weights, the losses of each epoch, and what is kept of rows held out."""
    losses = [[record.train_loss, record.valid_loss] for record in kept.result.history]
    found = {name: item.clone() for name, item in kept.network.state_dict().items()}
    held = {} if kept.out_of_fold is None else {"held": kept.out_of_fold.outputs.clone()}
    return {**found, **held, "losses": torch.tensor(losses, dtype=torch.float64)}


def kill_once(folder: Path, ranks: Ranks) -> Callable[[EpochRecord], None]:
    """The second rank dies after its fifth epoch, as by kill -9, unless it was started again."""

    def look(record: EpochRecord) -> None:
        if ranks.rank == 1 and record.epoch == 5 and not (folder / "was-killed").exists():
            (folder / "was-killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return look


def main(folder: Path) -> None:
    place = read_rank_place()
    assert place is not None
    # Ranks that were started once more do not train again what is done: its reports would differ.
    left = [name for name in (KILLED, *CASES) if not (folder / f"{name}.txt").exists()]
    ranks = join(place, torch.device("cpu"), "the same")
    for name in left:
        on_epoch = kill_once(folder, ranks) if name == KILLED else (lambda record: None)
        members, kept, reports = train(name, folder, ranks, on_epoch)
        (folder / f"{name}-{ranks.rank}.numbers").write_text(f"{list(members._own_members())}")
        if ranks.rank == 0:
            save_file(outcome(kept), folder / f"{name}.safetensors")
            (folder / f"{name}.txt").write_text("\n".join(reports))
    try:
        train(FAILED, folder, ranks)
    except DivergedError as error:
        (folder / f"{FAILED}-{ranks.rank}.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
