"""reports/retrain.jsonl: one line a run, appended in one write; no stage owns it, DVC leaves it.

A line that a full disk cut short is skipped by whoever reads.
"""

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from layerline.artifacts import Workspace
from layerline.masking import masked

UNCHANGED, PROMOTED, KEPT, RESTORED = "unchanged", "promoted", "kept", "restored"
BUSY, FAILED = "busy", "failed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One run.

    outcome: unchanged (nothing is new), promoted, kept (the gate was not passed), restored (DVC had
    the result in its cache), busy (another one runs), failed.
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


def path_of(workspace: Workspace) -> Path:
    """Where the lines are."""
    return workspace.reports / "retrain.jsonl"


def append(workspace: Workspace, record: Record) -> None:
    """Append one line; whole, also when two runs end at once."""
    path = path_of(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = masked(json.dumps(dataclasses.asdict(record), ensure_ascii=False)) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(workspace: Workspace) -> list[dict[str, Any]]:
    """Every whole line, the oldest first; none where there was no run yet."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in path_of(workspace).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                records.append(json.loads(line))
    return records


def status(workspace: Workspace) -> dict[str, Any]:
    """The last run, the last good one, the last promotion, and how often it failed since.

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
