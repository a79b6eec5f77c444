"""Temporary folders that a killed process does not leave behind for ever."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "layerline-tmp-"
_LOCK = ".in-use"  # held as long as the process lives
_UNLOCKED = ".new"
_MADE_SECONDS = 3600.0  # a folder without a lock that is older was never made to the end


@contextlib.contextmanager
def temporary_folder(root: Path | None = None) -> Iterator[Path]:
    """A folder of its own that is removed with the block; first those of killed processes are.

    It is made in `root`, by default where the system keeps temporary files.
    """
    root = root or Path(tempfile.gettempdir())
    for left in root.glob(f"{_PREFIX}*"):
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=root, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        unlocked = folder / _UNLOCKED
        with unlocked.open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Under its name only now, or another process might take it before this one does.
            unlocked.rename(folder / _LOCK)
            inside = folder / "files"
            inside.mkdir()
            yield inside


def _is_abandoned(folder: Path) -> bool:
    """Whether no process holds the folder; one without a lock is being made right now."""
    try:
        if not (folder / _LOCK).exists():
            return time.time() - folder.stat().st_mtime > _MADE_SECONDS
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:  # held, another user's, or already gone
        return False


def memory_folder(n_bytes: int) -> Path | None:
    """Where files are in memory and nothing waits for a disk, if so much fits; else None."""
    folder = Path("/dev/shm")  # noqa: S108 - names in it are random, as in the other place
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < n_bytes:
        return None
    return folder
