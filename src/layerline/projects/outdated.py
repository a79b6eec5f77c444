"""Outputs that other params made: of another project, or from before params.yaml was edited."""

from collections.abc import Sequence

from layerline.artifacts import STAGES, Workspace
from layerline.errors import ParamsError, Problem
from layerline.text import listing
from layerline.tracking.run_reasons import changed_params


def outdated(workspace: Workspace, stages: Sequence[str] = STAGES) -> list[str]:
    """How today's params differ from those that made the outputs of the stages.

    By dvc.lock: without one nothing is known, and nothing is returned. Each difference once, as
    `train.epochs: 60 → 80`.
    """
    changes = (change for stage in stages for change in changed_params(workspace.root, stage))
    return list(dict.fromkeys(changes))


def require_current(workspace: Workspace, last_stage: str) -> None:
    """Refuse to work on outputs that other params made, up to those of a stage.

    Raises:
        ParamsError: names what differs, and how to recreate them.
    """
    changes = outdated(workspace, STAGES[: STAGES.index(last_stage) + 1])
    if changes:
        message = (
            f"changed since {last_stage} ran ({listing(changes, 3)}), so its outputs belong to "
            f"other params; run `dvc repro {last_stage}` first"
        )
        raise ParamsError([Problem("(root)", message)])
