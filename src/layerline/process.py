"""Processes of our own: how they are started, their garbage collector and their allocator."""

import ctypes
import gc
import os
import signal
import sys
import threading
from pathlib import Path

# Objects created between two collections; Python's defaults are 700, 10 and 10.
THRESHOLDS = (100_000, 50, 100)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc takes no larger one
_KEPT_BYTES = 512 * 2**20
_RETURNED_BYTES = 256 * 2**10
_MOMENT = 0.01  # seconds: the destructor has ended by then


def usable_cores() -> int:
    """The cores this process may run on; all of them where a system binds none to a process."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def collect_rarely() -> None:
    """Let the garbage collector run rarely in this process.

    Importing torch, scikit-learn or MLflow creates a million objects that all stay; scanning them
    again and again is a tenth to a third of the cost of such an import.
    """
    gc.set_threshold(*THRESHOLDS)


def keep_freed_memory() -> None:
    """Let the C library keep memory that tensors free, up to 512 MiB, for the next tensors.

    glibc returns a large block to the kernel at once, and the next step's tensors fault its pages
    in again: half of the time of predicting many rows.
    """
    _set_thresholds(_LARGEST_MMAP_THRESHOLD, _KEPT_BYTES)


def return_freed_memory() -> None:
    """Let the C library return every large block to the kernel when it is freed.

    glibc would learn from the first large body that a server receives to keep the next ones.
    """
    _set_thresholds(_RETURNED_BYTES, _RETURNED_BYTES)


def _set_thresholds(mmap_bytes: int, trim_bytes: int) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(_M_MMAP_THRESHOLD, mmap_bytes)
    mallopt(_M_TRIM_THRESHOLD, trim_bytes)


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a separate process.

    -P: `python -m` would put the current folder first on sys.path, where a user's secrets.py or
    types.py hides the standard library's.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> dict[str, str]:
    """The environment for `module_command`, in which this very package is found from any folder."""
    # It may be run from a source tree that only this process's sys.path knows.
    package = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def deliver_lost_interrupts() -> None:
    """Have a signal that meets a destructor or a weak reference interrupt all the same.

    Python prints what is raised there ("Exception ignored in ...") and goes on: Ctrl-C would be
    lost, with a traceback. It is sent again a moment later.
    """
    usual = sys.unraisablehook

    def deliver(found: "sys.UnraisableHookArgs") -> None:
        if not issubclass(found.exc_type, KeyboardInterrupt):
            usual(found)
            return
        number = signal.SIGINT if found.exc_type is KeyboardInterrupt else signal.SIGTERM
        again = threading.Timer(_MOMENT, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()

    sys.unraisablehook = deliver
