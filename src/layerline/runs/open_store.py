"""The journals sent, then the store opened; what ails it becomes one message."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import LayerlineError, TrackingError
from layerline.tracking.flush import flush
from layerline.tracking.store import open_client, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient


# MLflow would write addresses and progress bars to stdout, into the middle of somebody's JSON.
_QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class RequestError(LayerlineError):
    """A command was asked for something that is not there, or is not clear."""

    exit_code = 2


def flush_first(home: Path) -> list[str]:
    """Send what waits, so that the newest runs are seen; return what a user should know.

    Nothing is said of a journal that another flusher is at: a training that goes on is listed as
    RUNNING.
    """
    with _settings(_QUIET):
        report = flush(home)
    if not report.errors:
        return []
    n_left = f"{report.waiting} journal{'s' if report.waiting != 1 else ''}"
    return [
        f"{n_left} could not be sent to MLflow, so the newest runs may be missing here: {error}"
        for error in report.errors[:1]
    ]


@contextlib.contextmanager
def open_store(home: Path, doing: str) -> Iterator["MlflowClient"]:
    """Yield a client of the checkout's store.

    Args:
        home: the main checkout, `Workspace.home`.
        doing: what the caller is at, for the message.

    Raises:
        TrackingError: the store does not answer, or refuses.
    """
    try:
        # Artifacts are fetched by clients that MLflow makes by itself, and by this setting.
        with _settings({**_QUIET, "MLFLOW_TRACKING_URI": tracking_uri(home)}):
            yield open_client(home)
    except LayerlineError:
        raise
    except Exception as error:
        if not _is_of_store(error):
            raise
        first = str(error).strip().partition("\n")[0]
        raise TrackingError(
            f"{doing}: MLflow's store refused or is away ({type(error).__name__}: {first}); "
            "mend it, then ask again: nothing of the runs was changed by this"
        ) from error


@contextlib.contextmanager
def _settings(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _is_of_store(error: Exception) -> bool:
    # By module: the classes would cost the import of requests and sqlalchemy.
    module = type(error).__module__.partition(".")[0]
    return module in ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3") or isinstance(
        error, OSError
    )
