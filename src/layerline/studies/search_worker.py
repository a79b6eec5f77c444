"""A worker of a study: takes planned trials one after another until none is left.

    python -m layerline.studies.search_worker --root FOLDER [--name NAME] ...

The storage's URL is in LAYERLINE_STUDY_STORAGE where it is a database.

Any number of them may run, on any machine that has the project's data and the study's storage, and
each may die at any moment.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from layerline.artifacts import Workspace
from layerline.errors import LayerlineError, TrackingError
from layerline.masking import mask_output, masked
from layerline.process import collect_rarely
from layerline.stage.messages import report_failure
from layerline.studies.study_journal import open_trial_journal
from layerline.studies.study_setup import Search, read_search
from layerline.studies.study_storage import storage_failures
from layerline.studies.trial_slots import (
    EPOCHS_TRAINED,
    ERROR,
    SLOT,
    fill_slots,
    is_live,
    take,
    trials_of,
)
from layerline.studies.trial_training import TrialTraining
from layerline.text import first_line

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import TrialState

_WAIT_SECONDS = 0.2
_RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 120.0  # a database that restarts needs some


class _Surplus(Exception):  # noqa: N818 (nothing failed: another worker has the slot)
    """The trial's slot is another trial's."""


class Worker:
    """Runs trials of a study in this process.

    Args:
        search: the study's file, data and plan.
        study: the same, opened.
        minutes: when to stop beginning trials; None: never.
        on_trial: called after each trial.
    """

    def __init__(
        self,
        search: Search,
        study: "Study",
        minutes: float | None = None,
        on_trial: Callable[[], None] = lambda: None,
    ) -> None:
        self._search, self._study, self._on_trial = search, study, on_trial
        self._current: int | None = None  # the number of the trial that runs
        self._deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def run(self) -> None:
        """Run trials until all are done, or the time is over.

        Raises:
            TrackingError: the storage stayed away.
        """
        n_failures = 0
        while time.monotonic() < self._deadline:
            try:
                if not self._step():
                    return
                n_failures = 0
            except storage_failures() as error:
                n_failures += 1
                if n_failures * _RETRY_SECONDS > PATIENCE_SECONDS:
                    message = f"the study's storage stayed away: {masked(first_line(error))}"
                    raise TrackingError(f"{message}; run the study again to go on") from None
                time.sleep(_RETRY_SECONDS)

    def _step(self) -> bool:
        """One trial, or a moment's waiting for others; False when no trial is left."""
        if self._current is not None:
            # The storage went away while it ran: its slot is queued again.
            self._study.tell(self._current, state=_fail(), skip_if_finished=True)
            self._current = None
        with FileLock(self._search.folder / "slots.lock"):
            fill_slots(self._study, self._search.n_trials, self._search.points)
        live = [trial for trial in trials_of(self._study) if is_live(trial)]
        if any(trial.state.name == "WAITING" for trial in live):
            self._optimize()
            self._current = None
            self._on_trial()
        elif live:
            time.sleep(_WAIT_SECONDS)  # for others, who may die
        return bool(live)

    def _optimize(self) -> None:
        try:
            self._study.optimize(self._run_trial, n_trials=1, catch=(_Surplus, LayerlineError))
        except UnboundLocalError as error:
            # Optuna's `finally` hides so that the storage went away when it told a trial's end.
            if isinstance(error.__context__, storage_failures()):
                raise error.__context__ from None
            raise

    def _run_trial(self, trial: "Trial") -> list[float]:
        from optuna import TrialPruned

        self._current = trial.number
        if not take(self._study, trial):
            raise _Surplus
        # Optuna draws when values are asked for: what a slot draws depends on no worker.
        self._study.sampler = self._search.sampler(trial.user_attrs[SLOT])
        values = self._search.space.sample(trial)
        with open_trial_journal(self._search, self._study, trial.number, values) as journal:
            training = TrialTraining(self._search, trial, journal)
            try:
                means = training.run(values)
            except TrialPruned:
                journal.tags({"layerline.study.pruned": "true"})
                journal.end("FINISHED")
                raise
            except LayerlineError as error:
                trial.set_user_attr(ERROR, str(error))
                raise
            finally:
                trial.set_user_attr(EPOCHS_TRAINED, training.n_epochs)
            names = [objective.name for objective in self._search.objectives]
            journal.metrics(dict(zip(names, means, strict=True)))
        return means


def _fail() -> "TrialState":
    from optuna.trial import TrialState

    return TrialState.FAIL


def main() -> int:
    """Work on a study that `layerline study run` started."""
    mask_output()
    collect_rarely()
    parser = argparse.ArgumentParser(description="Run trials of a study.")
    parser.add_argument("--root", type=Path, required=True, help="the project's folder")
    parser.add_argument("--name", help="the study; default: params.yaml's section `study`")
    parser.add_argument("--trials", type=int, help="the planned number")
    parser.add_argument("--minutes", type=float, help="when to stop beginning trials")
    options = parser.parse_args()
    try:
        search = read_search(Workspace(options.root), options.name, options.trials)
        Worker(search, search.open(None), options.minutes).run()
    except LayerlineError as error:
        return report_failure("study", error)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
