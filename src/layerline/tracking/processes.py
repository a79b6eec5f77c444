"""Who wrote a journal, and whether that process is gone.

A pid alone is reused; with the host, the boot and the start time it names one process for ever.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

# A process of another machine (or of an earlier container of this one) cannot be checked; silence
# as long as this means that it ended.
FOREIGN_SILENCE_SECONDS = 24 * 3600


def process_identity(pid: int | None = None) -> dict[str, Any]:
    """Return {host, boot_id, pid, start_time} of a process, by default of this one."""
    pid = os.getpid() if pid is None else pid
    return {
        "host": socket.gethostname(),
        "boot_id": _boot_id(),
        "pid": pid,
        "start_time": _start_time(pid),
    }


def is_gone(identity: Mapping[str, Any], silent_seconds: float) -> bool:
    """Whether the process ended, in whatever way.

    Args:
        identity: what `process_identity` returned in that process.
        silent_seconds: how long it wrote nothing; only used when it ran on another host.
    """
    if identity.get("host") != socket.gethostname():
        return silent_seconds > FOREIGN_SILENCE_SECONDS
    if identity.get("boot_id") != _boot_id():
        return True
    start_time = _start_time(int(identity["pid"]))
    return start_time is None or start_time != identity.get("start_time")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _start_time(pid: int) -> str | None:
    """The start of a process in the kernel's own clock; None when there is none, or a zombie."""
    if not Path("/proc/self/stat").exists():
        return _start_time_elsewhere(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name, in parentheses, may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else start_ticks


def wall_clock_start(pid: int) -> float:
    """When a process started, in seconds since the epoch, to a tick of 10 ms.

    psutil adds the ticks to a boot time of whole seconds; so it is up to a second off.

    Raises:
        psutil.NoSuchProcess: there is no such process.
    """
    ticks = _start_time(pid)
    if ticks is None or not hasattr(time, "CLOCK_BOOTTIME"):
        return psutil.Process(pid).create_time()
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + int(ticks) / os.sysconf("SC_CLK_TCK")


def _start_time_elsewhere(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def lower_priority() -> None:
    """Give this process the lowest priority there is.

    Linux may share the processor among sessions before it looks at the priorities inside each
    (autogroups, see sched(7)): in a separate session, a process with nice 19 would still take
    half of a core from a training. So the session's share is lowered as well.
    """
    os.nice(19)
    with contextlib.suppress(OSError):  # there are no autogroups here
        Path("/proc/self/autogroup").write_text("19", encoding="ascii")


_stand_in: list[int] = []  # the process that this one, a fork of another, does the work of


def stand_in_for(pid: int) -> None:
    """From now on `starter` is what started that process, not what this one was forked from."""
    _stand_in[:] = [pid]


def starter() -> psutil.Process | None:
    """The process that started this one; None where it is gone.

    Raises:
        psutil.Error: it ended meanwhile.
    """
    return psutil.Process(*_stand_in).parent()


SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "busybox"}


def skip_shells(process: psutil.Process | None) -> psutil.Process | None:
    """The process itself, or the one above the shells it is a part of: DVC starts stages in one.

    Raises:
        psutil.Error: a process ended meanwhile.
    """
    while process is not None and process.name() in SHELLS:
        process = process.parent()
    return process


def uptime_ms() -> int:
    """Milliseconds since the machine was booted: a clock that nobody sets back."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    return time.monotonic_ns() // 1_000_000
