"""What every stage script does around its own work.

`run_stage` reads params.yaml, takes the checkout's lock, opens the journal, runs the work, writes
runs/<stage>.json, and turns every failure into one message and its exit code. A stage ends when
the process that started it is gone: DVC leaves its children running when it is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil
from filelock import FileLock, Timeout

from layerline.artifacts import STAGES, Workspace, read_json, write_json
from layerline.config import Params, flatten, load_params
from layerline.errors import BusyError, LayerlineError
from layerline.tracking import lineage
from layerline.tracking.journal import Journal, Status
from layerline.tracking.reasons import why_ran

LOCK_SECONDS = 20.0  # an orphan of a killed run needs a moment to end
FLUSH_SECONDS = 30.0
TRAINING_STAGES = ("train", "evaluate", "register")  # they tell of one and the same run
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "busybox"}


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived, or the parent is gone."""


@dataclass(frozen=True)
class Stage:
    """What a stage's own work is given."""

    name: str
    params: Params
    workspace: Workspace
    journal: Journal
    key: str  # names the MLflow run, whatever id the server gives it

    def say(self, text: str) -> None:
        """Tell the user one line."""
        print(f"{self.name}: {text}", flush=True)  # noqa: T201 - a stage talks on stdout


def run_stage(
    name: str,
    work: Callable[[Stage], None],
    load: Callable[[Path], Params] = load_params,
) -> int:
    """Run one stage in the current directory; return its exit code.

    Args:
        name: the stage's one word.
        work: what the stage does; it raises LayerlineError for what a user can mend.
        load: how params.yaml is read.
    """
    workspace = Workspace(Path())
    try:
        params = load(workspace.params)
        with _lock(workspace), _ends_with_parent():
            return _run(name, work, params, workspace)
    except LayerlineError as error:
        return tell_failure(name, error)


def leave(code: int) -> NoReturn:
    """End the process at once: all is written, and taking torch apart would cost 0.3 to 0.9 s."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(name: str, work: Callable[[Stage], None], params: Params, workspace: Workspace) -> int:
    journal = _open_journal(name, params, workspace)
    stage = Stage(name, params, workspace, journal, journal.key)
    status: Status
    status, message, code = "FINISHED", "", 0
    try:
        work(stage)
        write_json(workspace.run_file(name), _run_facts(stage))
    except KeyboardInterrupt as error:
        by_signal = isinstance(error, Terminated)
        status, message, code = "KILLED", "interrupted", 143 if by_signal else 130
        tell(name, "interrupted; earlier results are as they were")
    except LayerlineError as error:
        status, message, code = "FAILED", str(error), tell_failure(name, error)
    except Exception as error:
        status, message, code = "FAILED", repr(error), _tell_defect(name, error, workspace)
    journal.end(status, message)
    if name == STAGES[-1] or (code and status != "KILLED"):
        _flush_now(workspace)  # nobody comes after
    return code


def _open_journal(name: str, params: Params, workspace: Workspace) -> Journal:
    """A new run for train and the data stages; evaluate and register add to train's."""
    continues = name in TRAINING_STAGES and name != "train"
    key = read_json(workspace.run_file("train"))["key"] if continues else uuid.uuid4().hex
    training = name in TRAINING_STAGES
    journal = Journal.create(
        workspace.journals,
        key=key,
        stage=name,
        experiment=params.project if training else f"{params.project}-data",
        run_name=f"{params.train.network}-{key[:6]}" if training else f"{name}-{key[:6]}",
        continues=continues,
    )
    flat = flatten(params)
    own = {key: value for key, value in flat.items() if key.startswith((f"{name}.", "seed"))}
    journal.params(flat if name == "train" else own)
    journal.tags({f"layerline.why.{name}": why_ran(workspace.root, name)})
    journal.tags(lineage.dvc_tags(workspace.root, before=name))
    if not continues:
        journal.tags({"layerline.stage": name, "layerline.project": params.project})
        journal.tags(lineage.source_tags(workspace.root, f"pipeline/{name}.py"))
    return journal


def _run_facts(stage: Stage) -> dict[str, Any]:
    return {"stage": stage.name, "key": stage.key, "project": stage.params.project}


@contextlib.contextmanager
def _lock(workspace: Workspace) -> Iterator[None]:
    """Hold the checkout's lock: two stages at once would write over each other."""
    workspace.locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(workspace.locks / "stage.lock", timeout=_lock_seconds()):
            yield
    except Timeout:
        raise BusyError(
            f"{workspace.root}: another stage is running here; wait for it, or stop it, then retry"
        ) from None


def _lock_seconds() -> float:
    return float(os.environ.get("LAYERLINE_LOCK_SECONDS", LOCK_SECONDS))


@contextlib.contextmanager
def _ends_with_parent() -> Iterator[None]:
    """Turn SIGTERM, and under DVC the death of DVC, into an orderly end."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_watch, args=(_starters(),), daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _starters() -> list[psutil.Process]:
    """The parent and, when that is only a shell in between, its parent too."""
    try:
        parent = psutil.Process().parent()
        if parent is None:
            return []
        above = parent.parent() if parent.name() in _SHELLS else None
        return [parent, *([above] if above else [])]
    except psutil.Error:
        return []


def _watch(starters: list[psutil.Process]) -> None:
    while all(process.is_running() for process in starters):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def tell(name: str, text: str) -> None:
    """Write one line to stderr."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)  # noqa: T201


def tell_failure(name: str, error: LayerlineError) -> int:
    """Write the error's message; return its exit code. LAYERLINE_DEBUG=1 adds the traceback."""
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        traceback.print_exception(error)
    tell(name, f"error: {error}")
    return error.exit_code


def _tell_defect(name: str, error: Exception, workspace: Workspace) -> int:
    """A defect of ours: say so in one line and keep the traceback where it can be sent from."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        sys.stderr.write(text)
    trace = workspace.root / ".layerline" / f"traceback-{name}.txt"
    with contextlib.suppress(OSError):  # a full disk may be the very reason
        trace.write_text(text, encoding="utf-8")
    tell(name, f"error: a defect in Layerline, {error!r}; its traceback is in {trace}")
    return LayerlineError.exit_code


def _flush_now(workspace: Workspace) -> None:
    """Send what the journals hold before the pipeline stops; a dead server costs seconds."""
    if "mlflow" in sys.modules:
        from layerline.tracking.flush import flush

        flush(workspace.home, wait_seconds=FLUSH_SECONDS)
        return
    command = [sys.executable, "-m", "layerline.tracking.flush", "--home", str(workspace.home)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, timeout=FLUSH_SECONDS, stdout=subprocess.DEVNULL, check=False)
