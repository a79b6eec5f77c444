"""The model in models/ registered although DVC has nothing to do: the registry lost it."""

from typing import Any

from layerline.artifacts import STAGES, Workspace, read_json
from layerline.config import Params
from layerline.retraining.dvc_process import Dvc
from layerline.runs.restored_run import restore_run


def register_again(workspace: Workspace, params: Params, dvc: Dvc) -> dict[str, Any]:
    """Run the register stage alone; return the content of reports/registration.json.

    A version that the registry still has is found by its hashes and not registered twice.

    Raises:
        TrackingError: the store is unavailable, or was lost.
        SourceError: models/ or runs/train.json is missing or damaged.
        RetrainError: the stage failed.
    """
    restore_run(workspace, params)
    dvc.repro("--force", "--single-item", STAGES[-1])
    facts: dict[str, Any] = read_json(workspace.reports / "registration.json")
    return facts
