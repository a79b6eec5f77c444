"""What keeps a checkout whole: one stage at a time, none without its parent, outputs kept."""

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

LOCK_SECONDS = 20.0  # an orphan of a killed run needs a moment to end
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "busybox"}


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
    """Turn SIGTERM, and under DVC the death of DVC, into an orderly end."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_watch, args=(_starters(),), daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _starters() -> list[psutil.Process]:
    """The parent and, when that is only a shell in between, its parent too."""
    try:
        parent = psutil.Process().parent()
        if parent is None:
            return []
        above = parent.parent() if parent.name() in _SHELLS else None
        return [parent, *([above] if above else [])]
    except psutil.Error:
        return []


def _watch(starters: list[psutil.Process]) -> None:
    while all(process.is_running() for process in starters):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def bring_back_outputs(name: str, workspace: Workspace) -> bool:
    """Put a failed stage's last good outputs back; say whether there were any.

    DVC removes them before a stage runs, and keeps them in its cache: `persist: true` would leave
    them, but costs the run-cache. dvc.lock still tells of the run that made them, so the next
    `dvc repro` runs the stage again.
    """
    if "DVC_STAGE" not in os.environ:
        return False
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(workspace.root.resolve())) as repo:
            outputs = repo.stage.load_one("dvc.yaml", name=name).outs
            known = [output for output in outputs if output.hash_info]
            for output in known:
                output.checkout(force=True)
    except (DvcException, OSError):
        return False  # never cached, or no cache here: there is nothing to put back
    return bool(known)
