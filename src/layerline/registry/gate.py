"""Champion or challenger: a pure judgement over their predictions of the same rows.

A plain "better on the test rows" promotes half of all challengers that are no better at all; the
lower bound of a paired bootstrap promotes at most a few in a hundred.
"""

import dataclasses
from typing import Any

from layerline.config import GateSection
from layerline.evaluation.comparison import paired_gain
from layerline.evaluation.predictions import Predictions

UNITS = {
    "log_loss": "nats",
    "accuracy": "of the rows",
    "rmse": "squared error",
    "mae": "absolute error",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether the challenger becomes champion, why, and the numbers behind it.

    `gain_*` is how much lower the challenger's mean row loss is (for rmse: squared error), with its
    bootstrap interval; above 0 is better. `champion_value` and `challenger_value` are the metric.
    """

    promote: bool
    reason: str
    metric: str
    n_rows: int
    confidence: float
    margin: float
    challenger_value: float
    champion_value: float | None = None
    gain_mean: float | None = None
    gain_lower: float | None = None
    gain_upper: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As reports/registration.json holds it."""
        return dataclasses.asdict(self)


def metric_of(section: GateSection, task: str) -> str:
    """The gate's metric; `auto` is log_loss for classes and rmse for numbers."""
    if section.metric != "auto":
        return section.metric
    return "rmse" if task == "regression" else "log_loss"


def metric_value(predictions: Predictions, metric: str) -> float:
    """The metric as users know it: accuracy is a share of right rows, rmse is not squared."""
    mean = float(predictions.row_losses(metric).mean())
    if metric == "accuracy":
        return 1 - mean
    return mean**0.5 if metric == "rmse" else mean


def judge(
    champion: Predictions | None,
    challenger: Predictions,
    section: GateSection,
    *,
    task: str,
    seed: int,
    same_bytes: bool = False,
    unreadable: str = "",
) -> Verdict:
    """Decide.

    Args:
        champion: its predictions of the rows, or None when there are none.
        challenger: its predictions of the same rows.
        section: metric, margin, confidence, number of resamples.
        task: binary, multiclass or regression.
        seed: of the bootstrap.
        same_bytes: champion and challenger are the same model.
        unreadable: why the champion could not predict the rows; empty when it could, or there is
            none.
    """
    metric = metric_of(section, task)
    verdict = Verdict(
        promote=True,
        reason="there was no champion",
        metric=metric,
        n_rows=len(challenger.actual),
        confidence=section.confidence,
        margin=section.margin,
        challenger_value=metric_value(challenger, metric),
    )
    if same_bytes:
        value = verdict.challenger_value
        reason = "unchanged: the champion is this very model"
        return dataclasses.replace(verdict, promote=False, reason=reason, champion_value=value)
    if champion is None:
        if unreadable:
            # Perhaps another table was put under this project's name: that is for a person to say.
            reason = (
                f"the champion cannot predict today's rows ({unreadable}), so none was compared; "
                "if the new model is to replace it: `layerline promote VERSION`"
            )
            return dataclasses.replace(verdict, promote=False, reason=reason)
        return verdict
    return _compare(champion, challenger, section, seed, verdict)


def _compare(
    champion: Predictions,
    challenger: Predictions,
    section: GateSection,
    seed: int,
    verdict: Verdict,
) -> Verdict:
    gain = paired_gain(
        champion,
        challenger,
        metric=verdict.metric,
        n_resamples=section.bootstrap,
        confidence=section.confidence,
        seed=seed,
    )
    promote = gain.lower > section.margin
    reason = (
        f"{'better' if promote else 'not surely better'} on {verdict.n_rows:,} test rows: gain in "
        f"{verdict.metric} {gain.mean:.4g} {UNITS[verdict.metric]}, "
        f"{section.confidence:.0%} interval {gain.lower:.4g} to {gain.upper:.4g}, "
        f"its lower end must be above {section.margin:g}"
    )
    return dataclasses.replace(
        verdict,
        promote=promote,
        reason=reason,
        champion_value=metric_value(champion, verdict.metric),
        gain_mean=gain.mean,
        gain_lower=gain.lower,
        gain_upper=gain.upper,
    )
