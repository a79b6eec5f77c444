"""One run of `layerline retrain`: fetch again; if anything is new, `dvc repro` and judge."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from layerline.artifacts import STAGES, Workspace, read_json
from layerline.config import Params
from layerline.errors import BusyError, GateError, LayerlineError, SourceError
from layerline.projects.watched_files import missing_files, must_fetch
from layerline.retraining.alerts import send_alerts
from layerline.retraining.disk_space import require_space
from layerline.retraining.dvc_process import Dvc, RetrainError
from layerline.retraining.log import (
    BUSY,
    FAILED,
    KEPT,
    PROMOTED,
    RESTORED,
    UNCHANGED,
    WAITED,
    Record,
    append,
)
from layerline.retraining.new_data import NewData, trained_rows
from layerline.retraining.register_again import register_again
from layerline.retraining.served_champion import Champion, look_at_champion
from layerline.retraining.triggers import ALWAYS, decide
from layerline.retraining.warm_steps import compare_new_data, compare_params, log_drift
from layerline.runs.registered_model import registry_problem
from layerline.stage.protection import Terminated, ends_with_parent


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of a run."""

    outcome: str
    message: str
    stages: tuple[str, ...] = ()
    registration: dict[str, Any] | None = None
    why: str | None = None
    news: NewData | None = None


class _Clock:
    """When a run started, and the record of its end."""

    def __init__(self, workspace: Workspace, notify: Callable[[Record], None]) -> None:
        self._workspace, self._notify = workspace, notify
        self._started, self._begin = datetime.datetime.now(datetime.UTC), time.monotonic()

    def record(self, verdict: Verdict, exit_code: int) -> Record:
        """Append the line of this run to the log; send alerts, where they are asked for."""
        facts = verdict.registration or {}
        record = Record(
            started=self._started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._begin, 1),
            outcome=verdict.outcome,
            exit_code=exit_code,
            message=verdict.message,
            stages=verdict.stages,
            version=facts.get("version"),
            champion_version=facts.get("champion_version"),
            gain_lower=facts.get("gain_lower"),
            why=verdict.why,
            n_new_rows=verdict.news.n_new if verdict.news else None,
            drifted=verdict.news.drifted if verdict.news else None,
        )
        append(self._workspace, record)
        self._notify(record)
        return record


def retrain(workspace: Workspace, params: Params, report: Callable[[str], None]) -> Record:
    """Run once, and append its line to the log, however it ends.

    Raises:
        BusyError: another run holds the lock, or DVC is at work, for longer than the wait.
        SourceError: a file that params.yaml names is missing.
        RetrainError: a stage failed, or the run was interrupted; with the exit code.
    """
    clock = _Clock(workspace, lambda record: send_alerts(workspace, params, record, report))
    try:
        with ends_with_parent(), retrain_lock(workspace, params.retrain.wait_seconds):
            verdict = _run(workspace, params, report)
        code = GateError.exit_code if verdict.outcome == KEPT else 0
        return clock.record(verdict, code)
    except LayerlineError as error:
        outcome = BUSY if isinstance(error, BusyError) else FAILED
        stages = error.stages if isinstance(error, RetrainError) else ()
        _record_failure(clock, Verdict(outcome, str(error), stages), error.exit_code)
        raise
    except KeyboardInterrupt as error:
        code = 143 if isinstance(error, Terminated) else 130
        _record_failure(clock, Verdict(FAILED, "interrupted"), code)
        raise RetrainError("interrupted; the champion is unchanged", code) from None
    except Exception as error:
        _record_failure(clock, Verdict(FAILED, repr(error)), LayerlineError.exit_code)
        raise


def _record_failure(clock: _Clock, verdict: Verdict, exit_code: int) -> None:
    with contextlib.suppress(OSError):  # a full disk may be the failure; its own error matters
        clock.record(verdict, exit_code)


@contextlib.contextmanager
def retrain_lock(workspace: Workspace, wait_seconds: float) -> Iterator[None]:
    """Hold off other runs, which would train the same thing twice; a killed one's lock is free."""
    workspace.locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.locks / "retrain.lock")
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise BusyError(
            f"another `layerline retrain` has been running here for more than {wait_seconds:g} s; "
            "wait for it, or let this one wait longer: retrain.wait_seconds"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _run(workspace: Workspace, params: Params, report: Callable[[str], None]) -> Verdict:
    if params.retrain.rollback or params.retrain.promote == "shadow":
        from layerline.retraining.alias_moves import move_alias  # torch: a second and a half

        change = move_alias(workspace, params, report)
    else:
        change = None
    if change is not None:
        facts = {"champion_version": change.champion}
        return Verdict(change.outcome, change.message, registration=facts)
    _require_files(workspace.root, params)
    with Dvc(workspace.root, report) as dvc:
        if must_fetch(workspace.root, params):
            report("fetching the source again: DVC cannot watch it")
            dvc.repro("--force", "--single-item", "fetch")
        if dvc.is_clean():
            problem = registry_problem(workspace, params)
            if problem is None:
                return Verdict(UNCHANGED, "nothing is new", dvc.stages)
            report(f"{problem}: registering the model in models/")
            register_again(workspace, params, dvc)
            return _judge(workspace, params, dvc.stages)
        return _train(workspace, params, dvc, report)


def _train(
    workspace: Workspace, params: Params, dvc: Dvc, report: Callable[[str], None]
) -> Verdict:
    """Look at what is new, then train, unless `retrain.when` asks for more."""
    require_space(workspace.root)
    known, news, why = trained_rows(workspace), None, "the first training"
    if known is not None:
        dvc.repro("validate")
        news = compare_new_data(dvc, workspace, params, known, report)
        when = params.retrain.when
        champion = Champion() if when == ALWAYS else look_at_champion(workspace, params)
        trains, why = decide(when, news, champion)
        if not trains:
            return Verdict(WAITED, f"not enough is new: {why}", dvc.stages, None, why, news)
        report(f"training: {why}")
        if note := compare_params(dvc, workspace, params):
            report(note)
    dvc.repro()
    verdict = _judge(workspace, params, dvc.stages)
    if news and news.files and verdict.registration:
        problem = log_drift(dvc, workspace, verdict.registration["run_id"], news.files)
        if problem:  # the champion is decided: a report changes nothing
            report(f"note: the drift's report is not in MLflow: {problem}")
    return dataclasses.replace(verdict, why=why, news=news)


def _require_files(root: Path, params: Params) -> None:
    """DVC would stop at a missing dependency with its own words and one exit code for all."""
    missing = missing_files(root, params.fetch)
    if missing:
        raise SourceError(
            f"{', '.join(missing)}: not found, though fetch.options in params.yaml names it; "
            "put it back, or correct params.yaml and run `layerline watch`"
        )


def _judge(workspace: Workspace, params: Params, stages: tuple[str, ...]) -> Verdict:
    alias = f"models:/{params.project}@{params.register.alias}"
    if STAGES[-1] not in stages:
        message = "no new version: this network was registered before"
        return Verdict(RESTORED, message, stages)
    facts = read_json(workspace.reports / "registration.json")
    version, champion = facts["version"], facts["champion_version"]
    if facts["promoted"]:
        return Verdict(PROMOTED, f"{alias} is now version {version}", stages, facts)
    if version == champion:
        message = f"{alias} is already this network, version {version}"
        return Verdict(UNCHANGED, message, stages, facts)
    stays = "is held by no version" if champion is None else f"stays version {champion}"
    message = f"{alias} {stays}, not {version}: {facts['reason']}"
    return Verdict(KEPT, message, stages, facts)
