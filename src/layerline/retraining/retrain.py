"""One run of `layerline retrain`: fetch again, and where something is new, `dvc repro` and judge.

DVC ends with 255 whichever stage failed, so the stages leave their own words in a file that
STAGES_FILE names: which of them ran, with which exit code, and why one failed.
"""

import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from layerline.artifacts import STAGES, Workspace, read_json
from layerline.config import Params
from layerline.errors import BusyError, GateError, LayerlineError
from layerline.process import module_command
from layerline.retraining.log import (
    BUSY,
    FAILED,
    KEPT,
    PROMOTED,
    RESTORED,
    UNCHANGED,
    Record,
    append,
)
from layerline.retraining.unwatched_sources import must_fetch
from layerline.stage.messages import STAGES_FILE

_TAIL_LINES = 5


@dataclass(frozen=True)
class Verdict:
    """What became of a run."""

    outcome: str
    message: str
    stages: tuple[str, ...] = ()
    registration: dict[str, Any] | None = None


class RetrainError(LayerlineError):
    """A stage failed; carries the stage's own exit code."""

    def __init__(self, message: str, exit_code: int, stages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.stages = stages


def retrain(workspace: Workspace, params: Params, say: Callable[[str], None]) -> Record:
    """Run once, and append the line of it.

    Raises:
        BusyError: another run holds the lock, or DVC is at work, for longer than is waited.
        RetrainError: a stage failed; with its exit code.
    """
    started, begin = datetime.datetime.now(datetime.UTC), time.monotonic()

    def record(verdict: Verdict, code: int) -> Record:
        facts = verdict.registration or {}
        made = Record(
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - begin, 1),
            outcome=verdict.outcome,
            exit_code=code,
            message=verdict.message,
            stages=verdict.stages,
            version=facts.get("version"),
            champion_version=facts.get("champion_version"),
            gain_lower=facts.get("gain_lower"),
        )
        append(workspace, made)
        return made

    try:
        with _retrain_lock(workspace, params.retrain.wait_seconds):
            verdict = _run(workspace, params, say)
            code = GateError.exit_code if verdict.outcome == KEPT else 0
            return record(verdict, code)
    except LayerlineError as error:
        outcome = BUSY if isinstance(error, BusyError) else FAILED
        stages = error.stages if isinstance(error, RetrainError) else ()
        record(Verdict(outcome, str(error), stages), error.exit_code)
        raise
    except KeyboardInterrupt:
        record(Verdict(FAILED, "interrupted"), 130)
        raise


@contextlib.contextmanager
def _retrain_lock(workspace: Workspace, wait_seconds: float) -> Iterator[None]:
    """Two runs at once would train the same thing twice. The kernel frees a killed one's lock."""
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


def _run(workspace: Workspace, params: Params, say: Callable[[str], None]) -> Verdict:
    with _Dvc(workspace.root, say) as dvc:
        if must_fetch(workspace.root, params.fetch):
            say("fetching the source again: DVC cannot watch it")
            dvc.repro("--force", "--single-item", "fetch")
        if dvc.is_clean():
            return Verdict(UNCHANGED, "nothing is new", dvc.stages)
        dvc.repro()
        return _judged(workspace, params, dvc.stages)


def _judged(workspace: Workspace, params: Params, stages: tuple[str, ...]) -> Verdict:
    alias = f"models:/{params.project}@{params.register.alias}"
    if STAGES[-1] not in stages:
        message = "no new version: the network is one that was registered before"
        return Verdict(RESTORED, message, stages)
    facts = read_json(workspace.reports / "registration.json")
    version, champion = facts["version"], facts["champion_version"]
    if facts["promoted"]:
        return Verdict(PROMOTED, f"{alias} is now version {version}", stages, facts)
    if version == champion:
        return Verdict(UNCHANGED, f"{alias} is this very network, version {version}", stages, facts)
    stays = "is held by no version" if champion is None else f"stays version {champion}"
    message = f"{alias} {stays}, not {version}: {facts['reason']}"
    return Verdict(KEPT, message, stages, facts)


class _Dvc:
    """`dvc` in one checkout, and what its stages said of themselves."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._folder = tempfile.TemporaryDirectory(prefix="layerline-retrain-")
        self._words = Path(self._folder.name) / "stages.jsonl"

    def __enter__(self) -> "_Dvc":
        return self

    def __exit__(self, *exception: object) -> None:
        self._folder.cleanup()

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that ran, in order."""
        return tuple(word["stage"] for word in self._read())

    def _read(self) -> list[dict[str, Any]]:
        if not self._words.exists():
            return []
        return [json.loads(line) for line in self._words.read_text("utf-8").splitlines()]

    def is_clean(self) -> bool:
        """Whether `dvc repro` would have nothing to do."""
        code, lines = self._call("status", "--quiet", aloud=False)
        if code not in (0, 1):
            raise self._failure(code, lines)
        return code == 0

    def repro(self, *options: str) -> None:
        """Run `dvc repro`.

        Raises:
            RetrainError: a stage failed.
            BusyError: another DVC is at work in this checkout.
        """
        code, lines = self._call("repro", *options)
        if code:
            raise self._failure(code, lines)

    def _call(self, *arguments: str, aloud: bool = True) -> tuple[int, list[str]]:
        tools = str(Path(sys.executable).parent)  # cron's PATH knows no virtual environment
        path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
        lines: list[str] = []
        with subprocess.Popen(
            module_command("dvc", *arguments),
            cwd=self._root,
            env=os.environ | {"PATH": path, STAGES_FILE: str(self._words)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                if aloud:
                    self._say(line.rstrip())
        return process.returncode, lines

    def _failure(self, code: int, lines: list[str]) -> LayerlineError:
        words = self._read()
        if words and words[-1]["exit_code"]:
            word = words[-1]
            message = f"{word['stage']}: {word['message']}"
            return RetrainError(message, word["exit_code"], self.stages)
        tail = "; ".join(line for line in lines[-_TAIL_LINES:] if line)
        if "busy" in tail or "acquire lock" in tail:
            return BusyError(f"DVC is at work in this checkout: {tail}")
        return RetrainError(f"dvc ended with {code}: {tail}", LayerlineError.exit_code, self.stages)
