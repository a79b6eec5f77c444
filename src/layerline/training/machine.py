"""What memory the machine offers this process."""

from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def memory_bytes() -> int:
    """The memory this process may have: the machine's, or less where its container has a limit."""
    return min([psutil.virtual_memory().total, *_limits()])


def _limits() -> list[int]:
    """The limits of this process's control group and those above it.

    Source: the kernel's cgroup-v2.rst, memory.max; cgroup-v1/memory.rst, memory.limit_in_bytes.
    """
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        return []  # not Linux
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = _CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            try:
                found.append(int((root / folder / name).read_text()))
            except (OSError, ValueError):
                continue  # not seen from inside a container, or "max"
    return found
