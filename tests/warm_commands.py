"""Stages and commands of checkouts in forks of one process that has imported what they import.

Most of what a pipeline costs in a test is the import of torch, pandas, MLflow and DVC by each of a
dozen processes. A checkout that is warm runs `dvc`, `layerline` and its stages in forks; the stages
that DVC starts ask for theirs as those of `layerline retrain` do. A checkout whose code is not this
one's gets no fork, and runs cold.
"""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from layerline.stage.forked_process import work
from layerline.stage.surroundings import surroundings
from layerline.stage.warm_client import PLACE, ask, begin, read_status
from layerline.stage.warm_server import _Job, _Server

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
SECONDS = 900.0
# Beside the stages': what `dvc` and the commands import.
MODULES = (
    *("layerline.cli", "layerline.projects.init", "layerline.registry.promotion"),
    *("layerline.registry.predict", "layerline.runs.resolve", "layerline.drift.drift_check"),
    *("dvc.cli.parser", "dvc.repo", "dvc.stage", "dvc.stage.cache", "dvc.repo.reproduce"),
    *("dvc.repo.experiments", "dvc.output", "dvc.dependency", "dvc_data.index", "dvc.scm"),
    *("dvc.render", "dvc.cachemgr", "dvc_data.hashfile.cache", "dvc.repo.status"),
)
_CODE = (
    f"import sys; sys.path[0] = {str(Path(__file__).parent)!r}; import warm_commands; "
    "del sys.path[0]; warm_commands.serve()"
)
_running: list[tuple["subprocess.Popen[bytes]", Path]] = []


def warm_place() -> dict[str, str]:
    """The variable that names this process's warm one, which the first call starts."""
    if not _running:
        folder = Path(tempfile.mkdtemp(prefix="layerline-warm-"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "socket"))
            listener.listen(16)
            process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(listener.fileno())],
                stdin=subprocess.PIPE,  # its end is this process's
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=clean_environment(SOURCE),
                pass_fds=(listener.fileno(),),
                start_new_session=True,
            )
        _running.append((process, folder))
        assert process.stdout is not None
        assert process.stdout.read(1), "the warm process has ended"
    return {PLACE: str(_running[0][1] / "socket")}


def stop_warm() -> None:
    """End the process, if it was started."""
    while _running:
        process, folder = _running.pop()
        process.kill()
        process.communicate()
        shutil.rmtree(folder)


def clean_environment(source: Path) -> dict[str, str]:
    """The variables of a user's shell, this environment's tools, and the code in `source`."""
    tools = str(Path(sys.executable).parent)
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "MLFLOW_", "PYTEST"))
    }
    return clean | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(source),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def run_warm(
    arguments: list[str], folder: Path, environment: Mapping[str, str], output: IO[bytes]
) -> int | None:
    """Run a script in a fork; its exit code, minus a signal, or None where there is no fork.

    Args:
        arguments: the script and what follows it.
        folder: where it runs.
        environment: its variables, `warm_place`'s among them.
        output: the file that gets its stdout and stderr.
    """
    request = {
        "script": arguments[0],
        "arguments": arguments,
        "all_arguments": [sys.executable, *arguments],
        "executable": sys.executable,
        "folder": str(folder),
        "environment": dict(environment),
    }
    with Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        try:
            server = ask(environment[PLACE], request, streams)
        except (OSError, EOFError):
            return None
    with server:
        server.settimeout(SECONDS)
        status = read_status(server) if begin(server) else None
    assert status is not None, f"{arguments}: no end in {SECONDS:.0f} s, or the warm process's own"
    return status


class _ServerOfCheckouts(_Server):
    """Forks for stages in any checkout of this code, whatever folder and store they are told."""

    def __init__(self, listener: socket.socket, modules: list[str]) -> None:
        super().__init__(listener, surroundings(), {}, modules)
        self._rest = [path for path in sys.path if path != str(SOURCE)]
        self._state = _state(SOURCE)
        while self._to_import:  # nobody is in such a hurry that all would import what is missing
            self._import_next()

    def _refusal(self, request: dict[str, Any], is_ours: bool) -> str | None:
        source = request["environment"].get("PYTHONPATH", "").partition(os.pathsep)[0]
        if _state(Path(source)) != self._state:
            return f"{source}: other code"
        request.setdefault("paths", [source, *self._rest])
        return None

    def _fork(self, job: _Job) -> _Job | None:
        job.request.setdefault("folder", os.readlink(f"/proc/{job.pid}/cwd"))  # noqa: PTH115
        return super()._fork(job)


def _state(source: Path) -> dict[str, tuple[int, int]]:
    """What is in a source folder; its template of a project is nobody's code."""
    files = [p for p in (source / "layerline").rglob("*.py") if "template" not in p.parts]
    found = {str(path.relative_to(source)): path.stat() for path in files}
    return {name: (one.st_mtime_ns, one.st_size) for name, one in found.items()}


def serve() -> None:
    """Import, and fork for checkouts; in a fork, do its work and end as an interpreter does."""
    from layerline.process import collect_rarely
    from layerline.retraining.stage_imports import STAGE_IMPORTS

    collect_rarely()
    listener = socket.socket(fileno=int(sys.argv[1]))
    server = _ServerOfCheckouts(listener, [*STAGE_IMPORTS, *MODULES])
    os.write(1, b"r")  # ready: nobody's patience ends while it imports
    job = server.serve()
    if job is None:
        return
    code: object = 1
    try:
        work(job.request)
        code = 0
    except SystemExit as ending:
        code = ending.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    # Without taking everything apart that was imported.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code or 0) & 0xFF)
