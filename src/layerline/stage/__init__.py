"""What every stage script does around its own work.

`run_stage` reads params.yaml, takes the checkout's lock, opens the journal, runs the work, writes
runs/<stage>.json, and turns every failure into one message and its exit code.

guards.py    the lock, the parent's death, outputs put back     messages.py  what a failure says
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from layerline.artifacts import STAGES, Workspace, read_json, write_json
from layerline.config import Params, flatten, load_params
from layerline.errors import BusyError, LayerlineError, TrackingError
from layerline.masking import mask_output
from layerline.process import collect_rarely
from layerline.stage.messages import leave_word, tell, tell_defect, tell_failure
from layerline.stage.protection import (
    Terminated,
    bring_back_outputs,
    checkout_lock,
    ends_with_parent,
)
from layerline.tracking import source_tags as lineage
from layerline.tracking.final_flush import start_closer
from layerline.tracking.journal import Journal, Status
from layerline.tracking.provenance import tell_lock
from layerline.tracking.restored_stages import this_repro
from layerline.tracking.run_reasons import why_ran
from layerline.tracking.switch import NoJournal, is_off

FLUSH_SECONDS = 30.0
TRAINING_STAGES = ("train", "evaluate", "register")  # they tell of one and the same run


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
    mask_output()
    collect_rarely()
    workspace = Workspace(Path())
    try:
        params = load(workspace.params)
        with checkout_lock(workspace), ends_with_parent():
            return _run(name, work, params, workspace)
    except BusyError as error:
        return tell_failure(name, error)
    except LayerlineError as error:
        code = tell_failure(name, error)
        bring_back_outputs(name, workspace)
        return code


def leave(code: int) -> NoReturn:
    """End the process at once: all is written, and taking torch apart would cost 0.3 to 0.9 s."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(name: str, work: Callable[[Stage], None], params: Params, workspace: Workspace) -> int:
    journal = _open_journal(name, params, workspace)
    start_closer(workspace.home)
    stage = Stage(name, params, workspace, journal, journal.key)
    status: Status
    status, message, code = "FINISHED", "", 0
    try:
        work(stage)
        write_json(workspace.run_file(name), _run_facts(stage))
        leave_word(name, 0)
    except KeyboardInterrupt as error:
        by_signal = isinstance(error, Terminated)
        status, message, code = "KILLED", "interrupted", 143 if by_signal else 130
        tell(name, "interrupted; earlier results are as they were")
        leave_word(name, code, message)
    except LayerlineError as error:
        status, message, code = "FAILED", str(error), tell_failure(name, error)
    except Exception as error:
        status, message, code = "FAILED", repr(error), tell_defect(name, error, workspace)
    journal.end(status, message)
    if code and bring_back_outputs(name, workspace):
        tell(name, "the outputs of its last good run are back in place")
    if name == STAGES[-1] or (code and status != "KILLED"):
        # Nobody comes after. That the store is away is said once.
        _flush_now(workspace, is_told=code == TrackingError.exit_code)
    return code


def _open_journal(name: str, params: Params, workspace: Workspace) -> Journal:
    """A new run for train and the data stages; evaluate and register add to train's."""
    continues = name in TRAINING_STAGES and name != "train"
    key = read_json(workspace.run_file("train"))["key"] if continues else uuid.uuid4().hex
    if is_off() and name != STAGES[-1]:  # a model version belongs to a run
        return NoJournal(key)
    training = name in TRAINING_STAGES
    journal = Journal.create(
        _journal_folder(name, workspace),
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
    if training:
        tell_lock(journal, workspace.root, before=name)
    if not continues:
        journal.tags({"layerline.stage": name, "layerline.project": params.project})
        journal.tags(lineage.source_tags(workspace.root, f"pipeline/{name}.py"))
    return journal


def _journal_folder(name: str, workspace: Workspace) -> Path:
    """Where journals go; a place of no account where that cannot be written: the work goes on."""
    try:
        workspace.journals.mkdir(parents=True, exist_ok=True)
        if os.access(workspace.journals, os.W_OK):
            return workspace.journals
        reason = "not writable"
    except OSError as error:
        reason = error.strerror or repr(error)
    tell(name, f"{workspace.journals}: {reason}; this run will not be in MLflow")
    return Path(tempfile.mkdtemp(prefix="layerline-journal-"))


def _run_facts(stage: Stage) -> dict[str, Any]:
    repro = this_repro()  # tells a stage restored from DVC's cache from one that ran
    facts = {"stage": stage.name, "key": stage.key, "project": stage.params.project}
    return facts | ({"repro": repro.name} if repro else {})


def _flush_now(workspace: Workspace, is_told: bool) -> None:
    """Send what the journals hold before the pipeline stops; a dead server costs seconds."""
    if is_off() and "mlflow" not in sys.modules:
        return
    if "mlflow" in sys.modules:
        from layerline.tracking.flush import flush

        report = flush(workspace.home, wait_seconds=FLUSH_SECONDS)
        for message in () if is_told else report.errors:
            tell("tracking", message)
        return
    command = [sys.executable, "-m", "layerline.tracking.flush", "--home", str(workspace.home)]
    errors = subprocess.DEVNULL if is_told else None
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command, timeout=FLUSH_SECONDS, stdout=subprocess.DEVNULL, stderr=errors, check=False
        )
