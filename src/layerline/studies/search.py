"""A search, run: a worker here and others beside it, until every planned trial is done."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from layerline.errors import BusyError
from layerline.process import module_command, module_environment
from layerline.studies.search_worker import Worker
from layerline.studies.study_journal import open_study_journal
from layerline.studies.study_setup import Search
from layerline.studies.study_storage import STORAGE, storage_failures
from layerline.studies.trial_slots import done_trials, is_live, trials_of

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
        workers: processes, of which this is one.
        minutes: when to stop beginning trials.
        url: of the storage, for the workers.
        on_trial: called for each trial that is done.

    Raises:
        BusyError: the study is running here already.
        TrackingError: the storage stayed away.
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
            command, environment = _worker_command(search, minutes, url)
            with Helpers(command, environment, workers - 1, watch.look) as helpers:
                Worker(search, study, minutes).run()
                helpers.wait(lambda: any(is_live(trial) for trial in trials_of(study)))
        watch.look()
        journal.metrics({"trials": float(len(done_trials(study)))})


def _worker_command(
    search: Search, minutes: float | None, url: str | None
) -> tuple[list[str], dict[str, str]]:
    arguments = ["--root", str(search.bench.workspace.root.resolve())]
    for name, value in (("name", search.source), ("minutes", minutes)):
        arguments += [] if value is None else [f"--{name}", str(value)]
    arguments += ["--trials", str(search.n_trials)]
    command = module_command("layerline.studies.search_worker", *arguments)
    # Not as an argument: it may hold a password, and everybody sees the arguments of a process.
    return command, module_environment() | ({} if url is None else {STORAGE: url})


class Helpers:
    """Workers in processes of their own, beside the one of this process.

    A thread starts those again that are killed. One that ends with an error has reported it, and
    the others do its part. They are ended with the block, unless it waits for them.

    Args:
        command: starts one.
        environment: its.
        count: how many.
        look: called several times a second.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        count: int,
        look: Callable[[], None],
    ) -> None:
        self._command, self._environment, self._look = command, environment, look
        self._restarts = _RESTARTS * count
        self.running = [self._start() for _ in range(count)]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tend, daemon=True)

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, env=self._environment)

    def __enter__(self) -> "Helpers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            process.wait()

    def wait(self, is_needed: Callable[[], bool]) -> None:
        """Until each has ended, as they do when the time is over, or none is needed."""
        while self.running and self._thread.is_alive() and is_needed():
            time.sleep(_POLL_SECONDS)

    def _tend(self) -> None:
        while not self._is_over.wait(_POLL_SECONDS):
            with contextlib.suppress(*storage_failures()):  # the workers wait for it
                self._look()
            for process in [each for each in self.running if each.poll() is not None]:
                if process.returncode < 0 and self._restarts:
                    self._restarts -= 1
                    self.running.append(self._start())
                self.running.remove(process)
