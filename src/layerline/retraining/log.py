"""reports/retrain.jsonl: one line a run, appended in one write; no stage owns it, DVC ignores it.

Readers skip a line that a full disk cut short.
"""

import contextlib
import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from layerline.artifacts import Workspace
from layerline.masking import masked

UNCHANGED, PROMOTED, KEPT, RESTORED = "unchanged", "promoted", "kept", "restored"
ROLLED_BACK = "rolled back"
WAITED, BUSY, FAILED = "waited", "busy", "failed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One run.

    outcome: unchanged (nothing is new), promoted, kept (the gate kept the champion), restored (DVC
    had the result in its cache), rolled back (to the version before), waited (`retrain.when` asks
    for more than what is new), busy (another run is under way), failed. `why` it trained or waited;
    `drifted` are columns of the new rows, None where nothing was compared.
    """

    started: str
    seconds: float
    outcome: str
    exit_code: int
    message: str
    stages: tuple[str, ...] = ()
    version: int | None = None
    champion_version: int | None = None
    gain_lower: float | None = None
    why: str | None = None
    n_new_rows: int | None = None
    drifted: tuple[str, ...] | None = None


_RECORD = TypeAdapter(Record)


def path_of(workspace: Workspace) -> Path:
    """Where the log is."""
    return workspace.reports / "retrain.jsonl"


def append(workspace: Workspace, record: Record) -> None:
    """Append one line, undivided even when two runs end at once."""
    path = path_of(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = f"{masked(json.dumps(dataclasses.asdict(record), ensure_ascii=False))}\n".encode()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if _is_cut_short(descriptor):
            line = b"\n" + line  # or this line would be lost with it
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_cut_short(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def read(workspace: Workspace) -> list[dict[str, Any]]:
    """Every undamaged line, oldest first; none before the first run."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in path_of(workspace).read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                records.append(_RECORD.validate_json(line))
    return [dataclasses.asdict(record) for record in records]


def status(workspace: Workspace) -> dict[str, Any]:
    """The last run, the last good one, the last promotion, and the number of failures since.

    Returns:
        `runs`, `last`, `last_good`, `last_promoted` (records or None), `failures_in_a_row`.
    """
    records = read(workspace)
    good = [record for record in records if record["exit_code"] in (0, 6)]
    promoted = [record for record in records if record["outcome"] == PROMOTED]
    n_failures = 0
    for record in reversed(records):
        if record["outcome"] != FAILED:
            break
        n_failures += 1
    return {
        "runs": len(records),
        "last": records[-1] if records else None,
        "last_good": good[-1] if good else None,
        "last_promoted": promoted[-1] if promoted else None,
        "failures_in_a_row": n_failures,
    }
