"""Each planned trial exactly once, whoever dies."""

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from layerline.studies.trial_slots import (
    ERROR,
    MAX_LOSSES,
    PROCESS,
    SLOT,
    done_trials,
    fill_slots,
    n_abandoned,
    take,
)

POINTS = [{"x": 0.5}]


@pytest.fixture
def study():
    return optuna.create_study()


def gone():
    """The identity of a process that ended."""
    from layerline.tracking.processes import process_identity

    process = psutil.Popen(["true"])
    identity = process_identity(process.pid)
    process.wait()
    return identity


def start(study):
    trial = study.ask()
    assert take(study, trial)
    return trial, trial.suggest_float("x", 0, 1)


def finish(study, n=1):
    for _ in range(n):
        trial, x = start(study)
        study.tell(trial, x)


def test_each_slot_is_queued_once_and_the_first_has_its_point(study):
    for _ in range(3):
        fill_slots(study, 4, POINTS)
    assert [trial.user_attrs[SLOT] for trial in study.trials] == [0, 1, 2, 3]
    trial, x = start(study)
    assert (trial.user_attrs[SLOT], x) == (0, 0.5)
    study.tell(trial, x)
    finish(study, 3)
    fill_slots(study, 4, POINTS)
    assert len(study.trials) == 4
    assert len(done_trials(study)) == 4


def test_more_trials_may_be_planned_later(study):
    fill_slots(study, 2, POINTS)
    finish(study, 2)
    fill_slots(study, 3, POINTS)
    assert [trial.state for trial in study.trials][-1] is TrialState.WAITING


def test_the_trial_of_a_dead_worker_is_repeated_with_its_values(study):
    fill_slots(study, 2, POINTS)
    finish(study)
    trial, x = start(study)
    trial.set_user_attr(PROCESS, gone())
    fill_slots(study, 2, POINTS)
    again, repeated = start(study)
    assert (again.user_attrs[SLOT], repeated) == (1, x)
    study.tell(again, repeated)
    fill_slots(study, 2, POINTS)
    assert [found.number for found in done_trials(study)] == [0, again.number]


def test_a_worker_that_is_alive_keeps_its_trial(study):
    fill_slots(study, 1, POINTS)
    start(study)
    fill_slots(study, 1, POINTS)
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]


def test_of_two_trials_of_a_slot_the_second_is_set_aside(study):
    fill_slots(study, 1, POINTS)
    study.enqueue_trial({}, user_attrs={SLOT: 0})
    first, second = study.ask(), study.ask()
    assert take(study, first)
    assert not take(study, second)
    study.tell(second, state=TrialState.FAIL)
    study.tell(first, 1.0)
    fill_slots(study, 1, POINTS)
    assert [trial.number for trial in done_trials(study)] == [first.number]
    assert len(study.trials) == 2


def test_a_trial_without_a_slot_is_set_aside(study):
    assert not take(study, study.ask())


def test_an_error_that_would_recur_is_an_outcome(study):
    fill_slots(study, 1, POINTS)
    trial, _ = start(study)
    trial.set_user_attr(ERROR, "diverged")
    study.tell(trial, state=TrialState.FAIL)
    fill_slots(study, 1, POINTS)
    assert len(study.trials) == len(done_trials(study)) == 1


def test_a_trial_that_always_ends_its_worker_is_abandoned(study):
    for _ in range(MAX_LOSSES + 2):
        fill_slots(study, 1, POINTS)
        if all(trial.state is not TrialState.WAITING for trial in study.trials):
            break
        trial, _ = start(study)
        trial.set_user_attr(PROCESS, gone())
    assert len(study.trials) == MAX_LOSSES
    assert n_abandoned(study, 1) == 1
    assert done_trials(study) == []
