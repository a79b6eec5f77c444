"""Champion or challenger: a pure decision from their predictions of the same rows.

A plain "better on the test rows" promotes half of all challengers that are no better at all; the
lower bound of a paired bootstrap promotes at most a few in a hundred. The other rules are in
gate_rules.py.
"""

import dataclasses
from typing import Any

import numpy as np

from layerline.config import GateSection
from layerline.evaluation.bootstrap import Interval, paired_gain
from layerline.evaluation.predictions import Predictions
from layerline.registry.gate_rules import (
    UNITS,
    Check,
    Context,
    SliceGain,
    absolute_checks,
    rows_check,
    slice_gains,
    slices_check,
    target_check,
)
from layerline.text import readable


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether the challenger becomes champion, why, and the numbers behind it.

    `gain_*` is how much lower the challenger's mean row loss is (for rmse: squared error), with its
    bootstrap interval; above 0 is better. `champion_value` and `challenger_value` are the metric on
    the `n_rows` compared; `n_left_out` test rows were not, because the champion was trained on
    them (None: it has no record of its rows).
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
    n_left_out: int | None = None
    checks: tuple[Check, ...] = ()
    slices: tuple[SliceGain, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As reports/registration.json holds it."""
        return dataclasses.asdict(self)


def metric_of(section: GateSection, task: str) -> str:
    """The gate's metric; `auto` is log_loss for classes, rmse for a number and r2 for several."""
    if section.metric != "auto":
        return section.metric
    return {"regression": "rmse", "multi_regression": "r2"}.get(task, "log_loss")


def live_metric(section: GateSection, task: str) -> str:
    """By which served rows are judged: the gate's, but for costs, which the log does not have.

    Nor are few rows judged by their own variance: rmse takes the place of r2.
    """
    metric = metric_of(section, task)
    return {"mean_cost": "log_loss", "r2": "rmse"}.get(metric, metric)


def metric_value(predictions: Predictions, metric: str) -> float:
    """The metric as users know it: accuracy and r2 are 1 - the loss, rmse is not squared."""
    mean = float((predictions.row_losses(metric) * predictions.multiples).mean())
    if metric in ("accuracy", "r2"):
        return 1 - mean
    return mean**0.5 if metric == "rmse" else mean


def judge(
    champion: Predictions | None,
    challenger: Predictions,
    section: GateSection,
    *,
    task: str,
    seed: int,
    context: Context | None = None,
) -> Verdict:
    """Decide whether the challenger becomes champion.

    Args:
        champion: its predictions of the test rows, or None when there are none.
        challenger: its predictions of the same rows.
        section: the rules.
        task: that of the target, or of several.
        seed: of the bootstrap.
        context: what else is known about the two.
    """
    context = context or Context()
    metric = metric_of(section, task)
    checks = absolute_checks(challenger, section, context)
    verdict = Verdict(
        promote=all(check.passed for check in checks),
        reason="there was no champion",
        metric=metric,
        n_rows=len(challenger.actual),
        confidence=section.confidence,
        margin=section.margin,
        challenger_value=metric_value(challenger, metric),
        checks=checks,
    )
    if context.same_bytes:
        value = verdict.challenger_value
        reason = "unchanged: the champion is this very model"
        return dataclasses.replace(verdict, promote=False, reason=reason, champion_value=value)
    if reason := _why_not_judged(context):
        return dataclasses.replace(verdict, promote=False, reason=reason)
    if champion is None:
        return _with_refusals(verdict)
    return _with_refusals(_compare(champion, challenger, section, seed, context, verdict))


def left_to_shadow(verdict: Verdict) -> Verdict:
    """A version that passed, and is the challenger until enough of what is served has a truth."""
    reason = f"{verdict.reason}; the rows that are served decide (retrain.promote: shadow)"
    return dataclasses.replace(verdict, promote=False, reason=reason)


def _why_not_judged(context: Context) -> str:
    if context.experiment:
        # The best of many by the same test rows would be promoted by luck alone.
        return (
            f"experiments are not promoted; `layerline adopt {context.experiment}` and `dvc repro` "
            "let it compete, and `layerline promote` promotes it as it is"
        )
    if context.unreadable:
        # Perhaps another table took this project's name: a person must decide.
        return (
            f"the champion cannot predict today's rows ({context.unreadable}), so the two were not "
            "compared; to replace it anyway: `layerline promote VERSION`"
        )
    return ""


def _with_refusals(verdict: Verdict) -> Verdict:
    """Add each rule that failed to the reason, which starts with the gain."""
    broken = [c.message for c in verdict.checks if not c.passed and c.rule != "gain"]
    if not broken:
        return verdict
    reason = f"{verdict.reason}; not promoted: {'; '.join(broken)}"
    return dataclasses.replace(verdict, reason=reason)


def _compare(
    champion: Predictions,
    challenger: Predictions,
    section: GateSection,
    seed: int,
    context: Context,
    verdict: Verdict,
) -> Verdict:
    """Decide by the rows that the champion was not trained on."""
    fresh = np.ones(verdict.n_rows, dtype=bool) if context.seen is None else ~context.seen
    n_rows = int(fresh.sum())
    n_left_out = None if context.seen is None else int(context.seen.sum())
    verdict = dataclasses.replace(verdict, n_rows=n_rows, n_left_out=n_left_out)
    pair = champion.take(fresh), challenger.take(fresh)
    n_distinct = pair[0].n_independent
    enough = rows_check(n_rows, verdict.n_left_out, section, n_distinct)
    if not n_rows:
        checks = (*verdict.checks, enough)
        reason = "no test row is left to compare the two by"
        return dataclasses.replace(verdict, promote=False, reason=reason, checks=checks)
    gain = paired_gain(
        *pair,
        metric=verdict.metric,
        n_resamples=section.bootstrap,
        confidence=section.confidence,
        seed=seed,
    )
    fresh_slices = [part._replace(is_in=part.is_in[fresh]) for part in context.slices]
    slices = slice_gains(pair, fresh_slices, verdict.metric, section, seed)
    won = _gain_check(gain, (n_rows, n_distinct), verdict.metric, section)
    checks = (
        won,
        enough,
        *slices_check(slices, verdict.metric, section),
        *target_check(context.target_shift, section),
        *verdict.checks,
    )
    return dataclasses.replace(
        verdict,
        promote=all(check.passed for check in checks),
        reason=won.message,
        champion_value=metric_value(pair[0], verdict.metric),
        challenger_value=metric_value(pair[1], verdict.metric),
        gain_mean=gain.mean,
        gain_lower=gain.lower,
        gain_upper=gain.upper,
        checks=checks,
        slices=slices,
    )


def _gain_check(gain: Interval, rows: tuple[int, int], metric: str, section: GateSection) -> Check:
    n_rows, n_distinct = rows
    copies = f" ({n_distinct:,} distinct)" if n_distinct < n_rows else ""
    is_better = gain.lower > section.margin
    message = (
        f"{'better' if is_better else 'not reliably better'} on {n_rows:,} test rows{copies}: "
        f"gain in {metric} {readable(gain.mean)} {UNITS[metric]}, "
        f"{section.confidence:.0%} interval {readable(gain.lower)} to {readable(gain.upper)}, "
        f"its lower end must be above {section.margin:g}"
    )
    return Check("gain", metric, is_better, gain.lower, section.margin, message)
