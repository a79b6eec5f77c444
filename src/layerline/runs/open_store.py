"""The journals sent, then the store opened, for a command that reads runs."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import ExitCode, LayerlineError
from layerline.tracking.flush import flush
from layerline.tracking.journal_damage import unreported_damage
from layerline.tracking.store_session import QUIET, environment, open_session

if TYPE_CHECKING:
    from mlflow import MlflowClient

_REMEDY = "fix the store, then try again: no run was changed"


class RequestError(LayerlineError):
    """A command was asked for something that does not exist, or is ambiguous."""

    exit_code = ExitCode.PARAMS


def flush_first(home: Path) -> list[str]:
    """Send waiting journals, so that the newest runs are listed; return notes for the user.

    A journal that another flusher sends needs no note: a live training is listed as RUNNING.
    """
    with environment(QUIET):
        report = flush(home)
    notes = unreported_damage(home)
    if report.errors:
        n_left = f"{report.waiting} journal{'s' if report.waiting != 1 else ''}"
        notes.append(
            f"{n_left} could not be sent to MLflow, so the newest runs may be missing here: "
            f"{report.errors[0]}"
        )
    return notes


def open_store(home: Path, doing: str) -> AbstractContextManager["MlflowClient"]:
    """A client of the checkout's store.

    Args:
        home: the main checkout, `Workspace.home`.
        doing: what the caller does, for the message.

    Raises:
        TrackingError: the store does not answer, or refuses.
    """
    return open_session(home, doing, _REMEDY)
