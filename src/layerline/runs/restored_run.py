"""The run of the training that made models/, made again in a store that lost it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerline.artifacts import (
    NETWORK_WEIGHTS,
    Workspace,
    read_json_as,
    read_manifest,
    read_run_key,
)
from layerline.config import Params, flatten
from layerline.evaluation.history import read_history
from layerline.runs.open_store import open_store
from layerline.tracking.journal import Journal
from layerline.tracking.mlflow_runs import STAGE_TAG, find_run
from layerline.tracking.provenance import log_files, log_inputs
from layerline.tracking.source_tags import dvc_tags

REASON = "the store lost the training's run; made again from the files it left"


def restore_run(workspace: Workspace, params: Params) -> bool:
    """Log the training again, under its own key, unless the store has it; return whether it did.

    Raises:
        TrackingError: the store is unavailable, or was lost.
        SourceError: models/ or runs/train.json is missing or damaged.
    """
    key = read_run_key(workspace.run_file("train"))
    weights = read_manifest(workspace.network)["files"][NETWORK_WEIGHTS]
    with open_store(workspace.home, "looking for the training's run") as client:
        run = find_run(client, key)
        # A later stage of the training may have made a run of this key without it.
        if run is not None and run.data.tags.get(STAGE_TAG) == "train":
            return False
    with Journal.create(
        workspace.journals,
        key=key,
        stage="train",
        experiment=params.project,
        run_name=f"{params.train.network}-{key[:6]}",
        continues=True,  # also where the user deleted the first one
    ) as journal:
        journal.params(flatten(params))
        journal.tags({"layerline.stage": "train", "layerline.project": params.project})
        journal.tags({"layerline.why.train": REASON, "layerline.sha256.network": weights["sha256"]})
        journal.tags(dvc_tags(workspace.root, before="register"))
        log_inputs(journal, workspace, params.project)
        log_files(journal, workspace, params)
        _log_curves(journal, workspace.reports / "history.csv")
        _log_reports(journal, workspace)
    return True


def _log_curves(journal: Journal, history: Path) -> None:
    if not history.exists():
        return
    for values in read_history(history):
        journal.metrics(values, step=int(values.pop("epoch")))
    journal.artifact(history)


def _log_reports(journal: Journal, workspace: Workspace) -> None:
    for name in ("metrics.json", "evaluation.json", "model_card.md", "model_card.html", "plots"):
        if (workspace.reports / name).exists():
            journal.artifact(workspace.reports / name)
    if workspace.predictions.exists():
        journal.artifact(workspace.predictions)
    report = workspace.reports / "metrics.json"
    if report.exists():
        journal.metrics(read_json_as(report, _flat_metrics))


def _flat_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """test_rmse, and so on."""
    return {
        f"{split}_{name}": float(value)
        for split, found in metrics.items()
        for name, value in found.items()
        if value is not None
    }
