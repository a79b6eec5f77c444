"""A search, run: workers started and watched until every planned trial is done."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from layerline.errors import BusyError, LayerlineError
from layerline.process import module_command, module_environment
from layerline.studies.search_worker import Worker
from layerline.studies.study_journal import open_study_journal
from layerline.studies.study_setup import Search
from layerline.studies.study_storage import STORAGE, storage_failures
from layerline.studies.trial_slots import done_trials

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    OnTrial = Callable[[FrozenTrial], None]

_POLL_SECONDS = 0.3
_RESTARTS = 10  # of workers that were killed


class Watch:
    """Reports each trial once, when it is done."""

    def __init__(self, study: "Study", on_trial: "OnTrial") -> None:
        self._study, self._on_trial = study, on_trial
        self._known: set[int] = set()

    def look(self) -> None:
        """Report the trials that are done since the last look."""
        for trial in done_trials(self._study):
            if trial.number not in self._known:
                self._known.add(trial.number)
                self._on_trial(trial)


def run_search(
    search: Search,
    study: "Study",
    *,
    workers: int = 1,
    minutes: float | None = None,
    url: str | None = None,
    on_trial: "OnTrial" = lambda trial: None,
) -> None:
    """Run every planned trial that is not done; trials already done are reported too.

    Args:
        search: the study's file, data and plan.
        study: opened from its storage.
        workers: processes; 1: this one.
        minutes: when to stop beginning trials.
        url: of the storage, for the workers.
        on_trial: called for each trial that is done.

    Raises:
        BusyError: the study is running here already.
        LayerlineError: every worker ended with an error.
    """
    watch = Watch(study, on_trial)
    lock = FileLock(search.folder / "run.lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"{search.name}: this study is running here; wait for it, stop it, or help it from "
            "another machine with `layerline study work`"
        ) from None
    with held, open_study_journal(search, study) as journal:
        watch.look()
        if workers == 1:
            Worker(search, study, minutes, watch.look).run()
        else:
            _run_processes(search, workers, minutes, url, watch)
        watch.look()
        journal.metrics({"trials": float(len(done_trials(study)))})


def _run_processes(
    search: Search, workers: int, minutes: float | None, url: str | None, watch: Watch
) -> None:
    arguments = ["--root", str(search.bench.workspace.root.resolve())]
    for name, value in (("name", search.source), ("minutes", minutes)):
        arguments += [] if value is None else [f"--{name}", str(value)]
    arguments += ["--trials", str(search.n_trials)]
    command = module_command("layerline.studies.search_worker", *arguments)
    # Not as an argument: it may hold a password, and everybody sees the arguments of a process.
    environment = module_environment() | ({} if url is None else {STORAGE: url})
    with contextlib.ExitStack() as stack:

        def start() -> "subprocess.Popen[bytes]":
            process = subprocess.Popen(command, env=environment)
            stack.callback(_end, process)
            return process

        running, n_restarts = [start() for _ in range(workers)], 0
        while running:
            time.sleep(_POLL_SECONDS)
            with contextlib.suppress(*storage_failures()):  # the workers wait for it
                watch.look()
            for process in [each for each in running if each.poll() is not None]:
                running.remove(process)
                if process.returncode < 0 and n_restarts < _RESTARTS * workers:
                    n_restarts += 1
                    running.append(start())
                elif process.returncode > 0 and not running:
                    raise WorkerError(process.returncode)


class WorkerError(LayerlineError):
    """The last worker ended with an error, which it has reported."""

    def __init__(self, code: int) -> None:
        self.exit_code = code
        super().__init__("the last worker of the study ended with an error; see above")


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    process.wait()
