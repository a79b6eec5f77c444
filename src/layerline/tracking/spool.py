"""The journals of one checkout on disk: list, lock, close dead ones, mark done, prune.

A journal is `NAME.jsonl` until MLflow has all of it, then `NAME.jsonl.done`, for two weeks.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from layerline.tracking.delivery_problems import clear_trouble
from layerline.tracking.journal import FILES, SUFFIX, Event, read_events
from layerline.tracking.processes import is_gone

DONE = ".done"
KEEP_DONE_SECONDS = 14 * 24 * 3600
_LOCKS = ".locks"
_TAIL_BYTES = 1 << 16  # an end event is shorter, see MAX_MESSAGE


@dataclass(frozen=True)
class Waiting:
    """A journal that MLflow has not acknowledged, and its first event."""

    path: Path
    start: Event

    @property
    def key(self) -> str:
        return str(self.start["key"])


def journals_of(home: Path) -> Path:
    """Where a checkout's journals are; as `Workspace.journals`, for the main checkout `home`."""
    return home / ".layerline" / "journals"


def waiting_journals(home: Path) -> list[Waiting]:
    """List what is not done yet, oldest first."""
    found = []
    for path in journals_of(home).glob(f"*{SUFFIX}"):
        start = _start_of(path)
        if start is not None:
            found.append(Waiting(path, start))
    # By the moment they were opened: names only tell the second. Who continues comes later.
    return sorted(
        found, key=lambda w: (w.start["time_ms"], bool(w.start["continues"]), w.path.name)
    )


def _start_of(path: Path) -> Event | None:
    try:
        with path.open("rb") as file:
            event = json.loads(file.readline())
    except (OSError, ValueError):
        return None  # gone to .done meanwhile, or its first line is not whole yet
    return event if isinstance(event, dict) and event.get("type") == "start" else None


@contextlib.contextmanager
def lock_journal(path: Path, wait_seconds: float = 0.0) -> Iterator[bool]:
    """Yield True while this process alone may send the journal; False when another does, or did.

    The kernel frees the lock of a killed process.
    """
    lock = FileLock(path.parent / _LOCKS / f"{path.stem}.lock")
    lock_folder = path.parent / _LOCKS
    lock_folder.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        yield False
        return
    try:
        yield path.exists()
    finally:
        lock.release()


def sweep(home: Path) -> list[Path]:
    """End, as KILLED, every journal whose process is gone without having ended it."""
    swept = []
    for waiting in waiting_journals(home):
        with lock_journal(waiting.path) as mine:
            if mine and close_if_dead(waiting.path):
                swept.append(waiting.path)
    return swept


def close_if_dead(path: Path) -> bool:
    """Append the missing end event when the writer is gone; the caller holds the lock.

    The run ended, as far as anyone knows, at its last event.
    """
    start = _start_of(path)
    if start is None or not is_gone(start["process"], time.time() - path.stat().st_mtime):
        return False
    # Read after that, for the process may have ended it as its last deed.
    if has_end(path):
        return False
    events = read_events(path)
    end: dict[str, Any] = {
        "seq": events[-1]["seq"] + 1,
        "time_ms": max(event["time_ms"] for event in events),
        "type": "end",
        "status": "KILLED",
        "message": "the process ended without a word (killed, or the machine went down)",
    }
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(data.rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(end).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def has_end(path: Path) -> bool:
    """Say whether the last whole line is an end event; reads the file's tail only."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().rpartition(b"\n")[0].splitlines()
    try:
        return bool(lines) and json.loads(lines[-1])["type"] == "end"
    except (ValueError, KeyError, TypeError):
        return False


def mark_done(path: Path) -> None:
    """MLflow has all of it: the journal gets its other name, copies of artifacts go."""
    os.replace(path, path.with_name(path.name + DONE))
    clear_trouble(path)
    shutil.rmtree(path.parent / FILES / path.stem, ignore_errors=True)


def prune(home: Path, keep_seconds: float = KEEP_DONE_SECONDS) -> list[Path]:
    """Remove journals that were done longer ago than `keep_seconds`, and what lay beside them."""
    folder = journals_of(home)
    removed = []
    for path in folder.glob(f"*{SUFFIX}{DONE}"):
        with contextlib.suppress(FileNotFoundError):  # two flushers may prune at once
            if time.time() - path.stat().st_mtime > keep_seconds:
                path.unlink()
                stem = path.name.removesuffix(f"{SUFFIX}{DONE}")
                (folder / _LOCKS / f"{stem}.lock").unlink(missing_ok=True)
                shutil.rmtree(folder / FILES / stem, ignore_errors=True)
                removed.append(path)
    return removed
