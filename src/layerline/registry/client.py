"""The registry's door: one client, one lock a project, and errors a user can act on."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from layerline.errors import BusyError
from layerline.tracking.store_session import open_session

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_SECONDS = 120.0
_REMEDY = "models/ and the champion are unchanged: fix the store, then run `dvc repro`"


def open_registry(home: Path, doing: str) -> AbstractContextManager["MlflowClient"]:
    """A client of the checkout's store; its failures become one message.

    Args:
        home: the main checkout, `Workspace.home`.
        doing: what the caller does, for the message.

    Raises:
        TrackingError: the store or its artifacts cannot be reached, or refuse.
    """
    return open_session(home, doing, _REMEDY)


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
