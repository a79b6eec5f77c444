"""Steps of a run that need MLflow, torch or pandas, in forks of the warm process, which has them.

Where there is none, or where a fork fails in any way, the step is done here: with the same result,
and with the errors that it raises.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import Workspace
from layerline.config import Params, load_params
from layerline.errors import LayerlineError
from layerline.retraining.dvc_process import Dvc
from layerline.retraining.new_data import NewData, look_at_new_data, trained_rows
from layerline.retraining.served_champion import log_to_run, note_other_params

Report = Callable[[str], None]


def compare_new_data(
    dvc: Dvc, workspace: Workspace, params: Params, known: NDArray[np.uint64], report: Report
) -> NewData:
    """As `look_at_new_data`."""
    found = dvc.call(f"{__name__}:_compare")
    if found is None:
        return look_at_new_data(workspace, params, known, report)
    for note in found["notes"]:
        report(note)
    facts = dict(found["news"])
    drifted, files = facts.pop("drifted"), tuple(map(Path, facts.pop("files")))
    return NewData(**facts, drifted=None if drifted is None else tuple(drifted), files=files)


def _compare(root: str) -> dict[str, Any]:
    workspace, notes = Workspace(Path(root)), list[str]()
    known = trained_rows(workspace)
    assert known is not None, "the last training's rows are gone"
    news = look_at_new_data(workspace, load_params(workspace.params), known, notes.append)
    files = [str(path) for path in news.files]
    return {"notes": notes, "news": dataclasses.asdict(news) | {"files": files}}


def compare_params(dvc: Dvc, workspace: Workspace, params: Params) -> str:
    """As `note_other_params`."""
    found: str | None = dvc.call(f"{__name__}:_compare_params")
    return note_other_params(workspace, params) if found is None else found


def _compare_params(root: str) -> str:
    workspace = Workspace(Path(root))
    return note_other_params(workspace, load_params(workspace.params))


def log_drift(dvc: Dvc, workspace: Workspace, run_id: str, files: tuple[Path, ...]) -> str:
    """Log the drift's report to a run; why that failed, or nothing."""
    found: str | None = dvc.call(f"{__name__}:_log_drift", run_id, *files)
    return _log_drift(str(workspace.root), run_id, *map(str, files)) if found is None else found


def _log_drift(root: str, run_id: str, *files: str) -> str:
    try:
        log_to_run(Workspace(Path(root)).home, run_id, list(map(Path, files)), "drift")
    except LayerlineError as error:
        return str(error)
    return ""
