"""What a training leaves: models/network or models/interrupted, and reports/history.csv."""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from layerline.artifacts import (
    FORGETTING,
    TRANSFER,
    Workspace,
    replace_file,
    replace_folder,
    write_json,
)
from layerline.networks.serialization import NetworkSpec, save_network
from layerline.training.epoch_records import EpochRecord
from layerline.training.trainable import Learner

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "valid_error",
    "learning_rate",
    "gradient_norm",
)  # no rates and times: equal trainings give equal bytes


def save_trained(
    workspace: Workspace,
    network: nn.Module,
    spec: NetworkSpec,
    about: Mapping[str, Any],
    history: tuple[EpochRecord, ...],
    learner: Learner | None = None,
) -> None:
    """Write models/network in one step, then its history.

    Args:
        workspace: where.
        network: as it is to be kept.
        spec: how it is built.
        about: what the manifest says of the training.
        history: of the kept seed.
        learner: what was trained; with its facts, what it started from is written too.
    """
    with replace_folder(workspace.network, about) as folder:
        save_network(folder, network, spec)
        if learner is not None and learner.facts is not None:
            _save_transfer(folder, learner, network)
    _write_history(workspace.reports / "history.csv", history)


def save_interrupted(
    workspace: Workspace, network: nn.Module, spec: NetworkSpec, about: Mapping[str, Any]
) -> None:
    """Write models/interrupted, which no stage reads."""
    with replace_folder(workspace.root / "models" / "interrupted", about) as folder:
        save_network(folder, network.to("cpu"), spec)


def _save_transfer(folder: Path, learner: Learner, network: nn.Module) -> None:
    """Write what the training started from, and what it made of the rows the source knew."""
    facts = dict(learner.facts or {})
    if learner.forgetting is not None:
        facts["forgetting"] = dict(learner.forgetting.facts)
        if losses := learner.forgetting.finish(network):
            save_file(losses, folder / FORGETTING)
    write_json(folder / TRANSFER, facts)


def _write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    """One line an epoch; floats in full, so that equal trainings give equal bytes."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in history)
