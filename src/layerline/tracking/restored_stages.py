"""Which stages ran in this `dvc repro`, and which had their outputs taken from DVC's cache."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from layerline.tracking.processes import (
    process_identity,
    skip_shells,
    starter,
    wall_clock_start,
)

_CLOCK_SECONDS = 0.1  # the kernel counts the start of a process in ticks of 10 ms


class Repro(NamedTuple):
    """One process of DVC's: its pid, a name that no other process has, and when it started."""

    pid: int
    name: str
    started: float


def this_repro() -> Repro | None:
    """The `dvc repro` that started this stage; None for a stage started without DVC."""
    if "DVC_STAGE" not in os.environ:
        return None
    try:
        process = skip_shells(starter())
        if process is None:
            return None
        return Repro(process.pid, name_of(process.pid), wall_clock_start(process.pid))
    except psutil.Error:
        return None


def name_of(pid: int) -> str:
    """A name for a process; it changes when the process is gone.

    Hashed: runs/<stage>.json travels with DVC's cache, the names of machines need not.
    """
    identity = json.dumps(process_identity(pid), sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def was_restored(run_file: Path, facts: Mapping[str, Any]) -> bool:
    """Whether DVC took the outputs of a stage from its cache in this `dvc repro`.

    The stage's run is of another repro, and yet its file was made during this one. A file that
    was simply left alone is older.
    """
    repro = this_repro()
    if repro is None or facts.get("repro") == repro.name:
        return False
    made = run_file.lstat().st_ctime  # of the link, where DVC's cache is linked
    return made > repro.started + _CLOCK_SECONDS
