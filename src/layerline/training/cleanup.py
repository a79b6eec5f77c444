"""What is kept on disk to save time, and thrown away when nothing used it for long."""

import math
import shutil
import time
from pathlib import Path
from typing import NamedTuple

KEEP_DAYS = 30.0


class _Folder(NamedTuple):
    age_days: float
    n_bytes: int
    path: Path


def prune(parent: Path, keep_days: float = KEEP_DAYS, keep_bytes: float = math.inf) -> list[str]:
    """Remove folders in `parent` not used for `keep_days`, then the oldest beyond `keep_bytes`.

    Returns the names of those removed; the newest stays, whatever its size. What a killed process
    was writing (its name begins with a dot) goes by its age too, and is not counted or named.
    """
    found = sorted(filter(None, map(_look, parent.glob("*"))))
    removed, total = [], 0
    for place, folder in enumerate(f for f in found if not f.path.name.startswith(".")):
        total += folder.n_bytes
        if place and (folder.age_days > keep_days or total > keep_bytes):
            shutil.rmtree(folder.path, ignore_errors=True)
            removed.append(folder.path.name)
    for folder in found:
        if folder.path.name.startswith(".") and folder.age_days > keep_days:
            shutil.rmtree(folder.path, ignore_errors=True)
    return removed


def _look(path: Path) -> _Folder | None:
    """None for what is no folder, or was replaced or removed by another process just now."""
    try:
        n_bytes = sum(file.stat().st_size for file in path.iterdir())
        age_days = (time.time() - path.stat().st_mtime) / 86_400
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Folder(age_days, n_bytes, path)
