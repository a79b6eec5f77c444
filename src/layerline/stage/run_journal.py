"""The journal of a stage's run: opened with params, lineage and reason, flushed on failure."""

import contextlib
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import layerline
from layerline.artifacts import STAGES, Workspace, read_run_key
from layerline.config import Params, flatten
from layerline.process import module_command, module_environment
from layerline.stage.messages import print_error
from layerline.stage.warm_fork import start_fork
from layerline.tracking.journal import Journal
from layerline.tracking.mlflow_import import is_mlflow_in_use
from layerline.tracking.provenance import log_dvc_lock
from layerline.tracking.run_reasons import why_ran
from layerline.tracking.source_tags import dvc_tags, source_tags
from layerline.tracking.tracking_switch import NoJournal, is_off

FLUSH_SECONDS = 30.0
TRAINING_STAGES = ("train", "evaluate", "register")  # they log to one and the same run


def open_journal(name: str, params: Params, workspace: Workspace) -> Journal:
    """A new run for train and the data stages; evaluate and register add to train's."""
    continues = name in TRAINING_STAGES and name != "train"
    key = read_run_key(workspace.run_file("train")) if continues else uuid.uuid4().hex
    if is_off() and name != STAGES[-1]:  # a model version belongs to a run
        return NoJournal(key)
    journal = _create(name, params, workspace, key, continues)
    flat = flatten(params)
    own = {key: value for key, value in flat.items() if key.startswith((f"{name}.", "seed"))}
    journal.params(flat if name == "train" else own)
    journal.tags({f"layerline.why.{name}": why_ran(workspace.root, name)})
    journal.tags(dvc_tags(workspace.root, before=name))
    if name in TRAINING_STAGES:
        log_dvc_lock(journal, workspace.root, before=name)
    if not continues:
        journal.tags({"layerline.stage": name, "layerline.project": params.project})
        journal.tags(source_tags(workspace.root, f"pipeline/{name}.py"))
    return journal


def _create(name: str, params: Params, workspace: Workspace, key: str, continues: bool) -> Journal:
    is_training = name in TRAINING_STAGES
    try:
        return Journal.create(
            _journal_folder(name, workspace),
            key=key,
            stage=name,
            experiment=params.project if is_training else f"{params.project}-data",
            run_name=f"{params.train.network}-{key[:6]}" if is_training else f"{name}-{key[:6]}",
            continues=continues,
        )
    except OSError as error:
        _report_unwritable(name, workspace, error.strerror or repr(error))
        return NoJournal(key)


def _journal_folder(name: str, workspace: Workspace) -> Path:
    """Where journals go; a temporary folder where that cannot be written: the stage still runs."""
    try:
        workspace.journals.mkdir(parents=True, exist_ok=True)
        if os.access(workspace.journals, os.W_OK):
            return workspace.journals
        reason = "not writable"
    except OSError as error:
        reason = error.strerror or repr(error)
    _report_unwritable(name, workspace, reason)
    return Path(tempfile.mkdtemp(prefix="layerline-journal-"))


def _report_unwritable(name: str, workspace: Workspace, reason: str) -> None:
    print_error(name, f"{workspace.journals}: {reason}; this run will not be in MLflow")


def flush_now(workspace: Workspace, is_reported: bool) -> None:
    """Send what the journals hold before the pipeline stops; a dead server costs seconds.

    Args:
        workspace: the checkout.
        is_reported: that the store is away was reported already.
    """
    if is_off() and not is_mlflow_in_use():
        return
    if is_mlflow_in_use():
        from layerline.tracking.flush import flush
        from layerline.tracking.journal_damage import unreported_damage

        report = flush(workspace.home, wait_seconds=FLUSH_SECONDS)
        errors = () if is_reported else report.errors
        for message in (*errors, *unreported_damage(workspace.home)):
            print_error("tracking", message)
        return
    if _flush_in_fork(workspace, is_reported):
        return
    command = module_command("layerline.tracking.flush", "--home", str(workspace.home))
    errors_to = subprocess.DEVNULL if is_reported else None
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            timeout=FLUSH_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=errors_to,
            env=module_environment(),
            check=False,
        )


def _flush_in_fork(workspace: Workspace, is_reported: bool) -> bool:
    """Whether there is a warm process, which has MLflow, and a fork of it has flushed."""
    script = Path(layerline.__file__).parent / "tracking" / "flush.py"
    arguments = [str(script), "--home", str(workspace.home.resolve())]
    request = {"script": arguments[0], "arguments": arguments}
    with Path(os.devnull).open("wb") as nothing:
        errors_to = nothing.fileno() if is_reported else 2
        fork = start_fork(module_environment(), request, errors_to)
    if fork is None:
        return False
    with fork:
        fork.wait(FLUSH_SECONDS)
    return True


@contextlib.contextmanager
def flush_beside(workspace: Workspace, last: Journal) -> Iterator[None]:
    """Send what the journals hold while the block runs, and `last`, which the block ends.

    As `flush_now` after it, but MLflow's import does not have to be waited for.
    """
    if is_off() or is_mlflow_in_use():
        yield
        flush_now(workspace, is_reported=False)
        return
    places = ("--home", str(workspace.home), "--last", str(last.path))
    command = module_command("layerline.tracking.flush", *places)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=module_environment())
    try:
        yield
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(FLUSH_SECONDS)
    finally:
        process.kill()
        process.wait()
