"""What a fork of the warm process does first: it becomes the process whose work it does."""

import builtins
import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from layerline.masking import mask_output
from layerline.stage.warm_client import mark_as_fork
from layerline.tracking.processes import stand_in_for

_PR_SET_PDEATHSIG = 1


def end_with(server: int) -> None:
    """End when the server does, whichever way; in a session that can be ended as a whole."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def take_place(request: Mapping[str, Any], client: int, inherited: Mapping[str, str]) -> None:
    """Take the arguments, folder and variables of the client.

    Args:
        request: what it sent.
        client: its pid.
        inherited: the variables that the server began with; others were set by imports.
    """
    _open_streams()
    sys.argv, sys.orig_argv = request["arguments"], request["all_arguments"]
    sys.executable, sys.path[:] = request["executable"], request.get("paths", sys.path)
    os.chdir(request.get("folder", "."))
    set_by_imports = {name: os.environ[name] for name in os.environ if name not in inherited}
    os.environ.clear()
    os.environ.update(set_by_imports | request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random").seed()  # as each process has its own
    importlib.invalidate_caches()
    mark_as_fork()
    stand_in_for(client)


def _open_streams() -> None:
    """Open stdin, stdout and stderr as the interpreter does when it starts."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        new = open(  # noqa: SIM115 - a descriptor
            number,
            "w" if number else "r",
            encoding=old.encoding,
            errors=old.errors,
            newline="\n" if number else None,
            closefd=False,
        )
        new.reconfigure(line_buffering=number == 2 or os.isatty(number))
        new.buffer.raw.name = f"<{name}>"  # type: ignore[attr-defined]
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def work(request: dict[str, Any]) -> None:
    """Run what was asked for: a script from its first line, or a function."""
    if "call" in request:
        mask_output()
        result = os.dup(1)
        os.dup2(2, 1)  # libraries print; only the result may be read
        module, _, name = request["call"].partition(":")
        found = getattr(importlib.import_module(module), name)(*request["arguments"])
        with open(result, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(json.dumps(found).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # as a stage ends
    for name in [n for n in sys.modules if n.partition(".")[0] == request.get("without")]:
        del sys.modules[name]
    _run_script(os.path.abspath(request["script"]))  # noqa: PTH100 - as the interpreter does


def _run_script(path: str) -> None:
    """Run a file as the interpreter does; runpy would change sys.argv."""
    module = ModuleType("__main__")
    module.__file__, module.__loader__ = path, SourceFileLoader("__main__", path)
    module.__dict__.update(__builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = module
    code = compile(Path(path).read_bytes(), path, "exec")
    exec(code, module.__dict__)  # noqa: S102
