"""Stages and commands without their start: forks of one process that has imported everything.

Importing torch and MLflow costs seconds before anything can befall a command, and a thousand faults
in an hour leave none. The process here imports them once and listens on a socket. Each connection
asks for one command: a fork takes its folder, environment, output and surroundings, and runs the
same script or entry point as a shell would. Its exit status comes back on the connection.

    python -m faults.warm SOCKET        ends when its stdin does
"""

import atexit
import faulthandler
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from faults.surrounded import surround

import layerline

MODULES = (
    *("mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "uvicorn", "pyarrow.parquet"),
    "mlflow.store.model_registry.sqlalchemy_store",
)
BACKLOG = 64
HANGS_SECONDS = 600.0  # whatever the machine is busy with
_SHOWN_BEFORE = 20.0  # seconds; a hang's output ends with what each thread waited for


class WarmProcess:
    """A command that a fork runs; as much of `subprocess.Popen` as the suite needs."""

    def __init__(self, server: Path, request: dict[str, Any]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(server))
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self._replies = self._connection.makefile("rb")
        self.pid = int(self._replies.readline())
        self.returncode: int | None = None
        self._arguments = request["arguments"]

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._arguments, timeout)
            self.returncode = int(self._replies.readline())
            self._connection.close()
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def start_server(place: Path) -> "subprocess.Popen[bytes]":
    """Start the process; it is ready when its socket is there."""
    here = Path(__file__).resolve().parents[1]
    known = os.environ.get("PYTHONPATH", "")
    paths = [str(here), str(here.parent / "src"), *filter(None, [known])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "faults.warm", str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the warm process did not start"
    return process


def serve(place: Path) -> None:
    """Fork for each connection until stdin ends."""
    own = pkgutil.walk_packages(layerline.__path__, "layerline.")
    for module in (*MODULES, *(found.name for found in own)):
        importlib.import_module(module)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(BACKLOG)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        ready = select.select([listener, sys.stdin], [], [])[0]
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _supervise(connection)
        connection.close()


def _supervise(connection: socket.socket) -> None:
    """Fork the command, wait for it, send what became of it; it has this process as its parent."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as file:
        request = json.loads(file.readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run(request)
    connection.sendall(b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    try:
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    except OSError:  # whoever asked has gone
        os._exit(1)
    os._exit(0)


def _run(request: dict[str, Any]) -> None:
    code = 1
    try:
        _prepare(request)
        code = _code_of(request["arguments"])
    except BaseException:
        traceback.print_exc()
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _prepare(request: dict[str, Any]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, targets in ((nothing, (0,)), (output, (1, 2))):
        for target in targets:
            os.dup2(source, target)
        os.close(source)
    sys.stdin, sys.stdout = open(0), open(1, "w", errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    faulthandler.dump_traceback_later(HANGS_SECONDS - _SHOWN_BEFORE)
    surround(request["surroundings"])


def _code_of(arguments: list[str]) -> int:
    """Run a script, or `layerline ...`; its exit code as the interpreter's would be."""
    program, *rest = arguments
    try:
        if program == "layerline":
            sys.argv = [program, *rest]
            from layerline.cli import main

            main()
        else:
            sys.argv = rest
            sys.path.insert(0, str(Path(rest[0]).parent.resolve()))
            runpy.run_path(rest[0], run_name="__main__")
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            sys.stderr.write(f"{leaving.code}\n")
            return 1
        return leaving.code or 0
    return 0


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
