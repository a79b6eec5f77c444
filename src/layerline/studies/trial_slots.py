"""Planned trials, each exactly once: a slot is a planned trial, whoever runs it and how often.

A worker that dies leaves its trial running for ever. Whoever looks next gives that trial up and
queues its slot again, with the values it had. Two may do so at once: of two trials of a slot the
one with the lower number counts, and the other is set aside before it trains.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from layerline.tracking.processes import is_gone, process_identity

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

SLOT, PROCESS, ERROR, SURPLUS = "slot", "process", "error", "surplus"
EPOCHS_TRAINED = "epochs_trained"  # in all trainings of the trial, also of one that was pruned
MAX_LOSSES = 10  # a trial that ends its worker every time is not tried for ever
_START_SECONDS = 60.0


def trials_of(study: "Study") -> list["FrozenTrial"]:
    """The trials of slots, without those set aside; a list that must not be changed."""
    found = study.get_trials(deepcopy=False)
    return [t for t in found if SLOT in t.user_attrs and SURPLUS not in t.user_attrs]


def is_done(trial: "FrozenTrial") -> bool:
    """Whether it has an outcome: a value, pruned, or failed for a reason that would recur."""
    state = trial.state.name
    return state in ("COMPLETE", "PRUNED") or (state == "FAIL" and ERROR in trial.user_attrs)


def is_live(trial: "FrozenTrial") -> bool:
    """Whether it waits for a worker, or has one."""
    return trial.state.name in ("WAITING", "RUNNING")


def done_trials(study: "Study") -> list["FrozenTrial"]:
    """The trial that counts of each slot that is done, by slot."""
    by_slot: dict[int, FrozenTrial] = {}
    for trial in trials_of(study):
        if is_done(trial):
            by_slot.setdefault(trial.user_attrs[SLOT], trial)
    return [by_slot[slot] for slot in sorted(by_slot)]


def fill_slots(study: "Study", n_slots: int, points: Sequence[Mapping[str, Any]]) -> None:
    """Give up trials whose worker is gone; queue every slot without a trial.

    Args:
        study: whose storage other workers use too.
        n_slots: the planned number of trials.
        points: labels of the first slots; the others' are drawn by the sampler.
    """
    _give_up_lost(study)
    by_slot: dict[int, list[FrozenTrial]] = {slot: [] for slot in range(n_slots)}
    for trial in trials_of(study):
        by_slot.setdefault(trial.user_attrs[SLOT], []).append(trial)
    for slot in range(n_slots):
        earlier = by_slot[slot]
        if any(is_done(trial) or is_live(trial) for trial in earlier):
            continue
        if len(earlier) >= MAX_LOSSES:
            continue
        point = points[slot] if slot < len(points) else {}
        drawn = earlier[-1].params if earlier else {}
        study.enqueue_trial(dict(drawn or point), user_attrs={SLOT: slot})


def _give_up_lost(study: "Study") -> None:
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner, start = trial.user_attrs.get(PROCESS), trial.datetime_start
        if owner is None:
            # Taken a moment ago, or its worker died before it could say who it was.
            is_lost = start is not None and datetime.now() - start > timedelta(
                seconds=_START_SECONDS
            )
        else:
            is_lost = is_gone(owner, 0.0)
        if is_lost:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def take(study: "Study", trial: "Trial") -> bool:
    """Take a trial for this process; False where its slot has another trial already."""
    trial.set_user_attr(PROCESS, process_identity())
    slot = trial.user_attrs.get(SLOT)
    is_mine = slot is not None and not any(
        other.user_attrs[SLOT] == slot and other.number < trial.number
        for other in trials_of(study)
        if is_done(other) or is_live(other)
    )
    if not is_mine:
        trial.set_user_attr(SURPLUS, True)
    return is_mine


def n_abandoned(study: "Study", n_slots: int) -> int:
    """How many slots were given up because their workers died each time."""
    losses = [0] * n_slots
    for trial in trials_of(study):
        slot = trial.user_attrs[SLOT]
        if slot < n_slots and not is_done(trial) and not is_live(trial):
            losses[slot] += 1
    done = {trial.user_attrs[SLOT] for trial in done_trials(study)}
    return sum(n >= MAX_LOSSES and slot not in done for slot, n in enumerate(losses))
