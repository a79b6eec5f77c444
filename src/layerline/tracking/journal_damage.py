"""What was damaged on disk: set aside next to the journal, described, and reported once.

`NAME.jsonl.damaged` holds a summary in its first line, then the damaged lines as they were found;
or the whole journal, when its start is lost and the run of its events is unknown.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from layerline.artifacts import journals_of, replace_file
from layerline.tracking.journal_file import SUFFIX, is_being_written
from layerline.tracking.journal_lines import read_start
from layerline.tracking.spool import lock_journal

DAMAGED = ".damaged"
_REPORTED = ".damage-reported"
_MAX_LISTED = 10


def describe(n_lines: int, missing: Sequence[int]) -> str:
    """What was damaged, as `2 damaged lines, 3 events missing (4, 5, 6)`; empty for nothing."""
    parts = []
    if n_lines:
        parts.append(f"{n_lines} damaged line{'s' if n_lines > 1 else ''}")
    if missing:
        listed = ", ".join(map(str, missing[:_MAX_LISTED]))
        more = ", ..." if len(missing) > _MAX_LISTED else ""
        plural = "s" if len(missing) > 1 else ""
        parts.append(f"{len(missing)} event{plural} missing ({listed}{more})")
    return ", ".join(parts)


def set_aside_lines(journal: Path, lines: Sequence[bytes], summary: str) -> Path:
    """Keep damaged lines next to their journal; doing it again changes nothing."""
    path = journal.with_name(journal.name + DAMAGED)
    with replace_file(path) as temporary:
        temporary.write_bytes(b"\n".join([f"# {summary}".encode(), *lines, b""]))
    return path


def set_aside_lost_journals(home: Path) -> list[Path]:
    """Set aside every journal whose start is lost, unless its writer is still alive."""
    found = []
    for path in journals_of(home).glob(f"*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # sent meanwhile
            if read_start(path) is not None or is_being_written(path):
                continue
            with lock_journal(path) as mine:
                if mine:
                    found.append(_set_aside_whole(path))
    return found


def _set_aside_whole(path: Path) -> Path:
    summary = "the start of this journal is damaged: its run is unknown"
    aside = set_aside_lines(path, path.read_bytes().split(b"\n"), summary)
    path.unlink()
    return aside


def unreported_damage(home: Path) -> list[str]:
    """One message for each damaged journal that no terminal has shown yet; each is given once."""
    folder = journals_of(home)
    record = folder / _REPORTED
    with contextlib.suppress(OSError):
        known = set(record.read_text(encoding="utf-8").split("\n")) if record.exists() else set()
        new = [path for path in sorted(folder.glob(f"*{DAMAGED}")) if path.name not in known]
        messages = [_message(path) for path in new]
        if new:
            with record.open("a", encoding="utf-8") as file:
                file.write("".join(f"{path.name}\n" for path in new))
        return messages
    return []


def _message(path: Path) -> str:
    with path.open("rb") as file:
        summary = file.readline().decode(errors="replace").removeprefix("# ").strip()
    return (
        f"{path.name.removesuffix(DAMAGED)}: damaged on disk: {summary}; what was readable is in "
        f"MLflow, the rest was set aside in {path}; check the disk"
    )
