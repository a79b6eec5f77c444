"""What is kept on disk to save time, and thrown away when nothing used it for long."""

import math
import shutil
import time
from pathlib import Path

KEEP_DAYS = 30.0


def prune(parent: Path, keep_days: float = KEEP_DAYS, keep_bytes: float = math.inf) -> list[str]:
    """Remove folders in `parent` not used for `keep_days`, then the oldest beyond `keep_bytes`.

    Returns the names of those removed; the newest stays, whatever its size.
    """
    folders = [path for path in parent.glob("*") if path.is_dir() and not path.name.startswith(".")]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    removed, total = [], 0
    for place, folder in enumerate(folders):
        total += sum(file.stat().st_size for file in folder.iterdir())
        age = time.time() - folder.stat().st_mtime
        if place and (age > keep_days * 86_400 or total > keep_bytes):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed
