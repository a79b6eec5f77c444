"""What surrounds a command: limits, a memory, another user, a full or read-only disk of its own.

A fork of the warm process calls `surround` before it runs the command; nothing of it reaches any
other process. Disks and users take root: `can_mount` and `is_root` say whether that is there.
"""

import ctypes
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TypedDict

NOBODY = 65534
_CLONE_NEWNS = 0x20000


class Surroundings(TypedDict, total=False):
    """What may surround a command.

    limits: resource's numbers and values; memory: bytes more than the process has already;
    user: an id; disk: a folder that becomes a disk of `kib` KiB, or a read-only one without.
    """

    limits: dict[str, int]
    memory: int
    user: int
    disk: str
    kib: int


def is_root() -> bool:
    return os.geteuid() == 0


def can_mount() -> bool:
    """Whether a disk of one's own can be made here."""
    if not is_root() or not shutil.which("unshare"):
        return False
    script = "mount -t tmpfs tmpfs /mnt"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, check=False)
    return done.returncode == 0


def surround(around: Surroundings) -> None:
    """Put this process into its surroundings."""
    if "disk" in around:
        _mount(Path(around["disk"]), around.get("kib"))
    for name, value in around.get("limits", {}).items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if "memory" in around:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        whole = pages * resource.getpagesize() + around["memory"]
        resource.setrlimit(resource.RLIMIT_AS, (whole, whole))
    if "user" in around:
        os.setgroups([])
        os.setgid(around["user"])
        os.setuid(around["user"])


def _mount(folder: Path, kib: int | None) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    _call("mount", "--make-rprivate", "/")
    if kib is None:
        _call("mount", "--bind", str(folder), str(folder))
        _call("mount", "-o", "remount,ro,bind", str(folder))
        return
    with tempfile.TemporaryDirectory() as kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True, symlinks=True)
        _call("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))
        # What does not fit is missing, as on a disk that filled up meanwhile.
        subprocess.run(["cp", "-a", f"{kept}/.", str(folder)], capture_output=True, check=False)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
