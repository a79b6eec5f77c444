"""The registry's door: one client, one lock a project, and errors a user can act on."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from layerline.errors import BusyError, LayerlineError, TrackingError
from layerline.tracking.store import open_client, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_SECONDS = 120.0


@contextlib.contextmanager
def open_registry(home: Path, doing: str) -> Iterator["MlflowClient"]:
    """Yield a client of the checkout's store; whatever ails the store becomes one message.

    Args:
        home: the main checkout, `Workspace.home`.
        doing: what the caller is at, for the message.

    Raises:
        TrackingError: the store or its artifacts cannot be reached, or refuse.
    """
    with store_errors(doing), _environment(tracking_uri(home)):
        yield open_client(home)


# A process has one environment, and a server's threads open the registry side by side.
_IN_USE = threading.RLock()


@contextlib.contextmanager
def _environment(uri: str) -> Iterator[None]:
    """MLflow opens further clients by itself, which read where the store is from here."""
    with _IN_USE, _settings(uri):
        yield


@contextlib.contextmanager
def _settings(uri: str) -> Iterator[None]:
    settings = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def store_errors(doing: str) -> Iterator[None]:
    """Turn failures of MLflow, its database and its server into a TrackingError."""
    try:
        yield
    except LayerlineError:
        raise
    except Exception as error:
        if not _is_of_store(error):
            raise
        first = str(error).strip().partition("\n")[0]
        raise TrackingError(
            f"{doing}: MLflow's store refused or is away ({type(error).__name__}: {first}); "
            "models/ and the champion are as they were: mend the store, then run `dvc repro`"
        ) from error


def _is_of_store(error: Exception) -> bool:
    # By module: the classes would cost the import of requests and sqlalchemy in every caller.
    module = type(error).__module__.partition(".")[0]
    return module in ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3") or isinstance(
        error, OSError
    )


@contextlib.contextmanager
def registry_lock(home: Path, project: str, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the project's registry lock: of two registrations at once, one waits.

    The kernel frees the lock of a killed process.

    Raises:
        BusyError: another process still holds it after `wait_seconds`.
    """
    path = home / ".layerline" / "locks" / f"registry-{project}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise BusyError(
            f"{project}: another process has been registering or promoting for more than "
            f"{wait_seconds:.0f} s; wait for it to end, then retry"
        ) from None
    try:
        yield
    finally:
        lock.release()
