"""What a process has from its start and a fork of another one has not: limits, user, variables.

A fork may only do the work of a process that has all of it alike.
"""

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What DVC and shells set for each stage; nothing reads these while it is imported.
_VARYING = ("LAYERLINE_STAGES_FILE", "LAYERLINE_STAGE_SERVER", "OLDPWD", "PWD", "SHLVL", "_")
_VARYING_START = "DVC_"


def surroundings() -> dict[str, Any]:
    """What this process was started with, under the names that a message gives it; for JSON."""
    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {
        "the folder": os.getcwd(),  # noqa: PTH109 - for JSON
        "the interpreter": [sys.version, sys.prefix, repr(sys.flags), repr(sys._xoptions)],
        "warnings": list(sys.warnoptions),
        "the user": [*os.getresuid(), *os.getresgid(), *sorted(os.getgroups())],
        "limits": [[name, *resource.getrlimit(getattr(resource, name))] for name in limits],
        "processors": sorted(os.sched_getaffinity(0)),
        "the priority": os.getpriority(os.PRIO_PROCESS, 0),
        "the file mode": _umask(),
        "ignored signals": [
            number for number in range(1, 32) if signal.getsignal(number) == signal.SIG_IGN
        ],
        "the control group": _control_group(),
        "namespaces": _namespaces(),
        "variables": fixed_variables(os.environ),
    }


def fixed_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that all stages of a pipeline have alike."""
    return {
        name: value
        for name, value in environment.items()
        if name not in _VARYING and not name.startswith(_VARYING_START)
    }


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _control_group() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/self/cgroup").read_text(encoding="utf-8")
    return ""


def _namespaces() -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.readlink(entry) for entry in os.scandir("/proc/self/ns"))  # noqa: PTH115
    return []
