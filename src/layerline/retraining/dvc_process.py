"""`dvc` as a child process: its output, the exit codes of its stages, and how to stop it.

DVC ends with 255 whichever stage failed, so the stages report in a file that STAGES_FILE names:
which of them ran, with which exit code, and why one failed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import BusyError, LayerlineError, machine_problem
from layerline.process import module_command
from layerline.projects.code_hashes import STAGE as CODE_STAGE
from layerline.projects.code_hashes import write_code_hashes
from layerline.retraining.stage_imports import STAGE_IMPORTS
from layerline.stage.messages import STAGES_FILE
from layerline.stage.warm_fork import call_warm
from layerline.stage.warm_start import warm_process

STOP_SECONDS = 10.0  # for each signal, before the next and harder one
_TAIL_LINES = 5
_ALWAYS = "always changed"  # DVC's reason, for a stage that is said to be so


class RetrainError(LayerlineError):
    """A stage failed, or the run was interrupted; carries the exit code."""

    def __init__(self, message: str, exit_code: int, stages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.stages = stages


class Dvc:
    """`dvc` in one project, and what its stages reported."""

    def __init__(self, root: Path, report: Callable[[str], None]) -> None:
        self._root, self._report = root, report
        self._stack = contextlib.ExitStack()
        self._stages_file = self._stack.enter_context(temporary_folder()) / "stages.jsonl"
        tools = str(Path(sys.executable).parent)  # cron's PATH knows no virtual environment
        path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
        # Once for all calls: what this process imports meanwhile may set variables.
        self._environment = os.environ | {"PATH": path, STAGES_FILE: str(self._stages_file)}
        self._is_warm = False

    def __enter__(self) -> "Dvc":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that ran, in order."""
        return tuple(ended["stage"] for ended in self._read_stages())

    def is_clean(self) -> bool:
        """Whether `dvc repro` would run no stage but `code`, and that would write what is there.

        Raises:
            BusyError: another DVC is at work in this project.
            RetrainError: it failed.
        """
        code, lines = self._call("status", "--json", is_quiet=True)
        found = next((line for line in reversed(lines) if line.startswith("{")), None)
        if code or found is None:
            raise self._failure(code, lines)
        reasons: dict[str, list[Any]] = json.loads(found)
        if reasons == {CODE_STAGE: [_ALWAYS]}:
            return not write_code_hashes(self._root)
        return not reasons

    def repro(self, *options: str) -> None:
        """Run `dvc repro`.

        Raises:
            RetrainError: a stage failed.
            BusyError: another DVC is at work in this project.
        """
        if not self._is_warm:  # only now: most often nothing is new
            self._is_warm = True
            process = warm_process(self._root, self._environment, STAGE_IMPORTS)
            self._environment |= self._stack.enter_context(process)
        code, lines = self._call("repro", *options)
        if code:
            raise self._failure(code, lines)

    def call(self, function: str, *arguments: str | Path) -> Any | None:
        """Call `module:function` in a fork of the warm process; None where that failed."""
        return call_warm(self._environment, function, self._root, *arguments)

    def unused_cache(self) -> list[Path]:
        """What `dvc gc` would remove: in no commit or experiment, and not in the workspace.

        Raises:
            BusyError: another DVC is at work in this project.
            RetrainError: it failed.
        """
        where = ["--workspace", "--all-commits", "--all-experiments"]
        if not (self._root / ".git").exists():
            where = where[:1]
        code, lines = self._call("gc", *where, "--force", "--dry", is_quiet=True)
        if code:
            raise self._failure(code, lines)
        start = "Removing "
        return [Path(line.removeprefix(start)) for line in lines if line.startswith(start)]

    def _read_stages(self) -> list[dict[str, Any]]:
        if not self._stages_file.exists():
            return []
        return [json.loads(line) for line in self._stages_file.read_text("utf-8").splitlines()]

    def _call(self, *arguments: str, is_quiet: bool = False) -> tuple[int, list[str]]:
        lines: list[str] = []
        with subprocess.Popen(
            module_command("dvc", *arguments),
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that DVC and its stage can be stopped together
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    lines.append(line.rstrip())
                    if not is_quiet:
                        self._report(line.rstrip())
            except BaseException:
                _stop(process)
                raise
        return process.returncode, lines

    def _failure(self, code: int, lines: list[str]) -> LayerlineError:
        ended = self._read_stages()
        if ended and ended[-1]["exit_code"]:
            last = ended[-1]
            message = f"{last['stage']}: {last['message']}"
            return RetrainError(message, last["exit_code"], self.stages)
        errors = [line for line in lines if line.startswith("ERROR")]
        tail = "; ".join(errors or filter(None, lines[-_TAIL_LINES:]))
        if "busy" in tail or "acquire lock" in tail:
            return BusyError(f"DVC is at work in this project: {tail}")
        lacks = machine_problem(RuntimeError(tail))
        message = f"dvc: {lacks}" if lacks else f"dvc ended with {code}: {tail}"
        return RetrainError(message, LayerlineError.exit_code, self.stages)


def _stop(process: "subprocess.Popen[str]") -> None:
    """End DVC and its stage: in order if they can, by force if they do not.

    SIGINT first: on SIGTERM DVC dies where it stands, perhaps while it writes dvc.lock. Its group
    is signalled as long as anything in it lives, a stage that outlives DVC, say.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=STOP_SECONDS)  # ends when all have closed the pipe
            return
