"""The outputs of a failed stage: its last good ones, back in place from DVC's cache.

DVC removes outputs before a stage runs, and keeps them in its cache: `persist: true` would leave
them, but costs the run-cache. dvc.lock still describes the run that made them, so the next
`dvc repro` runs the stage again.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from layerline.artifacts import Workspace
from layerline.tracking.dvc_lock import cached_file, cached_folder, read_lock


def restore_outputs(name: str, workspace: Workspace) -> bool:
    """Put a failed stage's last good outputs back; return whether all of them are there.

    Without DVC, which would write to its own databases: the disk may be full.
    """
    if "DVC_STAGE" not in os.environ:
        return False
    root = workspace.root
    hashes = {
        out["path"]: str(out["md5"])
        for out in read_lock(root).get(name, {}).get("outs", ())
        if out.get("md5")
    }
    restored = [_restore(root, path, md5) for path, md5 in hashes.items()]
    return bool(restored) and all(restored)


def _restore(root: Path, path: str, md5: str) -> bool:
    """Replace one output; leave it alone when the cache lacks a file of it."""
    files = cached_folder(root, md5) if md5.endswith(".dir") else {"": md5}
    if files is None or not all(cached_file(root, each).is_file() for each in files.values()):
        return False
    target = root / path
    try:
        _remove(target)  # first of all: what the failed run wrote may be what fills the disk
        _fill(root, target, files)
    except OSError:
        return False
    return True


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _fill(root: Path, target: Path, files: Mapping[str, str]) -> None:
    for name, md5 in files.items():
        place = target / name if name else target
        place.parent.mkdir(parents=True, exist_ok=True)
        _copy_or_link(cached_file(root, md5).resolve(), place)


def _copy_or_link(cached: Path, place: Path) -> None:
    """A copy where there is room; else a link to the cache, which takes none.

    A link is read-only, as every file of the cache: stages replace files and never write into one.
    """
    try:
        shutil.copyfile(cached, place)
    except OSError:
        place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the cache is on another disk
            os.link(cached, place)
            return
        place.symlink_to(cached)
