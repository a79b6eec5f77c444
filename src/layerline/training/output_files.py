"""What a training leaves: models/network or models/interrupted, and reports/history.csv."""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from layerline.artifacts import (
    FORGETTING,
    OUT_OF_FOLD,
    TRANSFER,
    Workspace,
    replace_file,
    replace_folder,
    write_json,
)
from layerline.networks.serialization import save_network
from layerline.training.epoch_records import EpochRecord
from layerline.training.fold_rows import described
from layerline.training.learner import Learner
from layerline.training.members import Kept

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "valid_error",
    "learning_rate",
    "gradient_norm",
)  # no rates and times: equal trainings give equal bytes


def save_trained(
    workspace: Workspace, kept: Kept, about: Mapping[str, Any], learner: Learner | None
) -> None:
    """Write models/network in one step, then the history of what was kept.

    Args:
        workspace: where.
        kept: the network, how it is built, and its history.
        about: what the manifest records of the training.
        learner: what was trained; if it has an origin, that is written too.
    """
    with replace_folder(workspace.network, about) as folder:
        save_network(folder, kept.network, kept.spec)
        if kept.out_of_fold is not None:
            save_file(dict(described(kept.out_of_fold)), folder / OUT_OF_FOLD)
        if learner is not None and learner.origin is not None:
            _save_transfer(folder, learner)
    _write_history(workspace.reports / "history.csv", kept.result.history)


def save_interrupted(workspace: Workspace, kept: Kept, about: Mapping[str, Any]) -> None:
    """Write models/interrupted, which no stage reads."""
    with replace_folder(workspace.root / "models" / "interrupted", about) as folder:
        save_network(folder, kept.network.to("cpu"), kept.spec)


def _save_transfer(folder: Path, learner: Learner) -> None:
    """Write what the training started from, and its effect on the rows the source knew."""
    origin = dict(learner.origin or {})
    if learner.forgetting is not None:
        origin["forgetting"] = dict(learner.forgetting.facts)
        if losses := learner.forgetting.finish(learner.network):
            save_file(losses, folder / FORGETTING)
    write_json(folder / TRANSFER, origin)


def _write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    """One line an epoch; floats in full, so that equal trainings give equal bytes."""
    is_scored = any(record.valid_score is not None for record in history)
    columns = (*HISTORY_COLUMNS, "valid_score") if is_scored else HISTORY_COLUMNS
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in history)
