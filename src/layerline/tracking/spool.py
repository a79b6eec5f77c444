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

from filelock import FileLock, Timeout

from layerline.artifacts import journals_of
from layerline.tracking.delivery_problems import clear_problem
from layerline.tracking.journal import FILES
from layerline.tracking.journal_file import SUFFIX
from layerline.tracking.journal_lines import Event, encode, in_order, read_journal, read_start
from layerline.tracking.processes import is_gone

DONE = ".done"
KEEP_SECONDS = 14 * 24 * 3600
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


def waiting_journals(home: Path) -> list[Waiting]:
    """List what is not done yet, oldest run first; the journals of one run stay together."""
    runs: dict[str, list[Waiting]] = {}
    for path in journals_of(home).glob(f"*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # gone to .done meanwhile
            start = read_start(path)
            if start is not None:
                runs.setdefault(start["key"], []).append(Waiting(path, start))
    ordered = [_in_order(journals) for journals in runs.values()]
    ordered.sort(key=lambda journals: min(w.start["time_ms"] for w in journals))
    return [journal for journals in ordered for journal in journals]


def _in_order(journals: list[Waiting]) -> list[Waiting]:
    """As they were opened, and what made the run first: a clock may have been set back since."""
    boots = {w.start["process"].get("boot_id") for w in journals}
    has_uptimes = len(boots) == 1 and all("uptime_ms" in w.start for w in journals)
    clock = "uptime_ms" if has_uptimes else "time_ms"

    def key(journal: Waiting) -> tuple[bool, int, str]:
        start = journal.start
        is_added = start["continues"] and start["stage"] != "train"
        return is_added, start[clock], journal.path.name  # names only tell the second

    return sorted(journals, key=key)


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
    start = read_start(path)
    if start is None or not is_gone(start["process"], time.time() - path.stat().st_mtime):
        return False
    # Read after that, for the process may have ended it as its last deed.
    found = read_journal(path)
    if any(event["type"] == "end" for event in in_order(found.events)):
        return False
    # An incomplete last line stays, and is damage like any other: it may have been whole once.
    newline = b"" if path.read_bytes().endswith(b"\n") else b"\n"
    end: Event = {
        "seq": max((event["seq"] for event in found.events), default=0) + 1,
        "time_ms": max(event["time_ms"] for event in [start, *found.events]),
        "type": "end",
        "status": "KILLED",
        "message": "the process was killed, or the machine went down",
        "start": start,
    }
    with path.open("ab") as file:
        file.write(newline + encode(end, found.is_checked))
        file.flush()
        os.fsync(file.fileno())
    return True


def has_end(path: Path) -> bool:
    """Whether the last whole line is an end event; reads the file's tail only."""
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
    clear_problem(path)
    shutil.rmtree(path.parent / FILES / path.stem, ignore_errors=True)


def done_journals(home: Path, keep_seconds: float = KEEP_SECONDS) -> list[Path]:
    """Journals that were done longer ago than `keep_seconds`."""
    found = []
    for path in journals_of(home).glob(f"*{SUFFIX}{DONE}"):
        with contextlib.suppress(FileNotFoundError):  # two flushers may prune at once
            if time.time() - path.stat().st_mtime > keep_seconds:
                found.append(path)
    return sorted(found)


def remove_journal(path: Path) -> None:
    """Remove a journal that is done, and what was next to it."""
    stem, folder = path.name.removesuffix(f"{SUFFIX}{DONE}"), path.parent
    path.unlink(missing_ok=True)
    (folder / _LOCKS / f"{stem}.lock").unlink(missing_ok=True)
    shutil.rmtree(folder / FILES / stem, ignore_errors=True)


def prune(home: Path, keep_seconds: float = KEEP_SECONDS) -> list[Path]:
    """Remove journals that were done longer ago than `keep_seconds`; return them."""
    removed = done_journals(home, keep_seconds)
    for path in removed:
        remove_journal(path)
    return removed
