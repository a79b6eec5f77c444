"""The store opened for one command: MLflow's settings, and its failures as one message."""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import LayerlineError, TrackingError
from layerline.text import first_line
from layerline.tracking.deadline import deadline
from layerline.tracking.store import client_of, store_uri, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow would print addresses and progress bars to stdout, into the middle of somebody's JSON.
QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# A process has one environment, and a server's threads open the store side by side.
_IN_USE = threading.RLock()


@contextlib.contextmanager
def open_session(home: Path, doing: str, remedy: str) -> Iterator["MlflowClient"]:
    """Yield a client of the checkout's store.

    Args:
        home: the main checkout, `Workspace.home`.
        doing: what the caller does, for the message.
        remedy: what the user can do, for the message.

    Raises:
        TrackingError: the store or its artifacts cannot be reached, or refuse.
    """
    # MLflow opens further clients by itself, which find the store by this setting.
    with _store_errors(doing, remedy), deadline(tracking_uri(home), doing):
        uri = store_uri(home)
        with environment({**QUIET, "MLFLOW_TRACKING_URI": uri}):
            yield client_of(home, uri)


@contextlib.contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs, in one thread at a time."""
    with _IN_USE:
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@contextlib.contextmanager
def _store_errors(doing: str, remedy: str) -> Iterator[None]:
    """Turn failures of MLflow, its database and its server into a TrackingError."""
    try:
        yield
    except LayerlineError:
        raise
    except Exception as error:
        if not _is_of_store(error):
            raise
        raise TrackingError(
            f"{doing}: MLflow's store is unavailable or refused "
            f"({type(error).__name__}: {first_line(error)}); {remedy}"
        ) from error


def _is_of_store(error: Exception) -> bool:
    # By module: the classes would cost the import of requests and sqlalchemy in every caller.
    module = type(error).__module__.partition(".")[0]
    return module in ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3") or isinstance(
        error, OSError
    )
