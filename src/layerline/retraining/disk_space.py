"""Whether the disk has room for another training, by what the last one wrote."""

import shutil
from pathlib import Path

from layerline.errors import LayerlineError
from layerline.text import file_size
from layerline.tracking.dvc_lock import read_lock


def require_space(root: Path) -> None:
    """Refuse to start what would end with a full disk.

    A run writes each output twice, into DVC's cache and beside the one that it replaces.

    Raises:
        LayerlineError: there is less room than the last run needed.
    """
    stages = read_lock(root).values()
    sizes = [int(out.get("size", 0)) for stage in stages for out in stage.get("outs", ())]
    needed, free = sum(sizes) + max(sizes, default=0), shutil.disk_usage(root).free
    if free < needed:
        raise LayerlineError(
            f"the disk has {file_size(free)} left, and the last run needed {file_size(needed)} "
            "(its outputs, and their copies in DVC's cache); nothing was changed: free some space, "
            "`layerline prune --dry-run` lists what is no longer needed"
        )
