"""What keeps a checkout whole: one stage at a time, and none without its parent."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from layerline.artifacts import Workspace
from layerline.errors import BusyError
from layerline.tracking.processes import skip_shells, starter

LOCK_SECONDS = 20.0  # an orphan of a killed run needs a moment to end


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived, or the parent is gone."""


@contextlib.contextmanager
def checkout_lock(workspace: Workspace) -> Iterator[None]:
    """Hold the checkout's lock: two stages at once would write over each other."""
    workspace.locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(workspace.locks / "stage.lock", timeout=_lock_seconds()):
            yield
    except Timeout:
        raise BusyError(
            f"{workspace.root}: another stage is running here; wait for it, or stop it, then retry"
        ) from None


def _lock_seconds() -> float:
    return float(os.environ.get("LAYERLINE_LOCK_SECONDS", LOCK_SECONDS))


@contextlib.contextmanager
def ends_with_parent() -> Iterator[None]:
    """Turn SIGTERM, and the death of DVC or of the agent of ranks, into an orderly end."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    if "DVC_STAGE" in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:
        threading.Thread(target=_watch, args=(_starters(),), daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _starters() -> list[psutil.Process]:
    """The parent and, when that is only a shell, the process above it too."""
    try:
        parent = starter()
        if parent is None:
            return []
        above = skip_shells(parent)
        return [parent, *([above] if above not in (None, parent) else [])]
    except psutil.Error:
        return []


def _watch(starters: list[psutil.Process]) -> None:
    while all(process.is_running() for process in starters):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
