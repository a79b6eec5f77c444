"""What other policies of retraining would have given, replayed on a table's own past.

Each period's rows are predicted by the model that a policy has then, before it may train on them.
Equal trainings of two policies are done once, and kept in .layerline/backtest, so that a run that
was killed goes on where it stopped. The gate is not replayed: a new model serves at once.

To add a policy: a line in POLICIES, with a function.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.config import DriftSection, WindowSection
from layerline.drift.joint_sample import JointSample
from layerline.drift.new_rows import NewRows
from layerline.drift.registered_drift import judge_rows
from layerline.errors import ParamsError, Problem
from layerline.evaluation.bootstrap import interval
from layerline.evaluation.metrics import lower_is_better
from layerline.retraining.past_periods import Past

CONFIDENCE = 0.95
_RESAMPLES = 1000


class Moment(NamedTuple):
    """What a policy decides by: the last training's period, and the one that has just ended."""

    past: Past
    trained: int
    now: int
    drift: DriftSection


def _has_drifted(moment: Moment) -> bool:
    fitted = moment.past.fitted(moment.trained)
    rows = NewRows(fitted.model, fitted.reference)
    rows.add(moment.past.of(moment.trained + 1, moment.now))
    known = JointSample(fitted.model.about, fitted.reference.target_spec)
    known.add(moment.past.of(0, moment.trained))
    return bool(judge_rows(rows, known, moment.drift).drifted)


class Policy(NamedTuple):
    """When to train; and whether the weights of rows halve in the time of the first training."""

    trains: Callable[[Moment], bool]
    is_weighted: bool = False


POLICIES: Mapping[str, Policy] = {
    "never": Policy(lambda moment: False),
    "always": Policy(lambda moment: True),
    "drift": Policy(_has_drifted),
    "weighted": Policy(lambda moment: True, is_weighted=True),
}
# What `retrain.when` is for a policy; `retrain` is not run for one that is not here.
_WHEN: Mapping[str, Mapping[str, Any]] = {"always": {}, "drift": {"drift": True}, "weighted": {}}


@dataclasses.dataclass(frozen=True)
class PolicyResult:
    """How one policy did.

    Attributes:
        losses: of each period, (B,) the losses of its rows.
        trained: the periods after which it trained, the first included.
        seconds: all its trainings took, wherever they were done.
        window: that of its trainings, if not that of params.yaml.
    """

    policy: str
    metric: str
    periods: Sequence[str]
    losses: Sequence[NDArray[np.float64]]
    trained: Sequence[int]
    seconds: float
    window: WindowSection | None = None

    def as_params(self) -> dict[str, Any]:
        """What params.yaml says for this policy, by path; nothing for one that never trains."""
        found: dict[str, Any] = {}
        if self.policy in _WHEN:
            found["retrain.when"] = dict(_WHEN[self.policy])
        if self.window is not None:
            given = {k: v for k, v in dataclasses.asdict(self.window).items() if v is not None}
            found["scale.window"] = given
        return found

    def to_json(self, never: "PolicyResult") -> dict[str, Any]:
        """As backtest.json holds it; `gain` is over never training again, above 0 is better."""
        mine, theirs = np.concatenate(self.losses), np.concatenate(never.losses)
        gain = interval(theirs - mine, _RESAMPLES, CONFIDENCE, seed=0)
        return {
            "policy": self.policy,
            "metric": self.metric,
            "lower_is_better": lower_is_better(self.metric),
            "live_score": score_of(mine, self.metric),
            "gain": gain.mean,
            "gain_lower": gain.lower,
            "gain_upper": gain.upper,
            "params": self.as_params(),
            "trainings": len(self.trained),
            "seconds": round(self.seconds, 1),
            "n_rows": len(mine),
            "periods": [
                {"period": name, "n_rows": len(part), "score": score_of(part, self.metric)}
                for name, part in zip(self.periods, self.losses, strict=True)
            ],
        }


def score_of(losses: NDArray[np.float64], metric: str) -> float:
    """The metric of rows with these losses."""
    mean = float(losses.mean())
    if metric == "accuracy":
        return 1 - mean
    return mean**0.5 if metric == "rmse" else mean


def winner(policies: Sequence[Mapping[str, Any]]) -> str | None:
    """The policy with the largest gain, if it is surely one; None if none is."""
    best = max(policies, key=lambda policy: float(policy["gain"]))
    return str(best["policy"]) if best["gain_lower"] > 0 else None


def replay(past: Past, first: int, names: Sequence[str], drift: DriftSection) -> list[PolicyResult]:
    """Replay the past through policies; never training again is always among them.

    Args:
        past: the periods.
        first: how many periods the first model is trained on.
        names: of the policies.
        drift: what counts as drift.

    Raises:
        ParamsError: there are too few periods.
    """
    if not 1 <= first <= len(past.names) - 2:
        message = (
            f"the past has {len(past.names)} periods; the first model needs at least one, and two "
            f"must be left, got {first}; use a shorter --every"
        )
        raise ParamsError([Problem("--first", message)], "layerline backtest")
    wanted = dict.fromkeys(["never", *names])
    return [_replay(past, first, name, drift) for name in wanted]


def _replay(past: Past, first: int, name: str, drift: DriftSection) -> PolicyResult:
    policy, trained, losses = POLICIES[name], [first - 1], []
    window = past.halving(first) if policy.is_weighted else None
    last = len(past.names) - 1
    for period in range(first, last + 1):
        losses.append(past.losses(trained[-1], period, window))
        if period < last and policy.trains(Moment(past, trained[-1], period, drift)):
            trained.append(period)
    seconds = sum(past.fitted(period, window).seconds for period in trained)
    return PolicyResult(name, past.metric, past.names[first:], losses, trained, seconds, window)
