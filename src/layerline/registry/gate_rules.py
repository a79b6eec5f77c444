"""The gate's rules besides the gain: floors, slices, enough rows, one row's latency, the size.

A rule returns `Check`s, which hold the limit, the value found and a message with the remedy. Each
number of the gate is in the unit of `UNITS`.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerline.config import GateSection
from layerline.errors import ParamsError, Problem
from layerline.evaluation.bootstrap import interval
from layerline.evaluation.metrics import lower_is_better, measure
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.slices import Slice
from layerline.text import readable

UNITS = {
    "log_loss": "nats",
    "accuracy": "of the rows",
    "mean_cost": "of cost",
    "rmse": "squared error",
    "mae": "absolute error",
    "r2": "of the variance",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """One rule, checked: `value` beside its `limit`, and a message with both."""

    rule: str  # gain, rows, slices, target, floor, latency, size
    subject: str
    passed: bool
    value: float | None
    limit: float | None
    message: str


@dataclasses.dataclass(frozen=True)
class SliceGain:
    """The gain on a slice of the rows, with its interval; a slice of too few rows is not judged."""

    name: str
    n_rows: int
    judged: bool
    passed: bool
    gain_mean: float
    gain_lower: float
    gain_upper: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What the gate knows besides predictions.

    `seen` is (B,) which test rows the champion was trained on, None if that is unknown; a latency
    or size that is None has no budget.
    """

    same_bytes: bool = False  # champion and challenger are the same model
    experiment: str = ""  # the name of the DVC experiment that trained it
    unreadable: str = ""  # why the champion could not predict the rows
    seen: NDArray[np.bool_] | None = None
    slices: Sequence[Slice] = ()
    target_shift: str = ""  # how the target differs from the one the champion was trained on
    latency_ms: float | None = None
    size_mb: float | None = None


def absolute_checks(
    challenger: Predictions, section: GateSection, context: Context
) -> tuple[Check, ...]:
    """Floors and budgets, which a first champion must meet, too.

    Raises:
        ParamsError: a floor for a metric that this task does not have.
    """
    figures = measure(challenger) if section.floors else {}
    checks = [_floor(figures, name, limit) for name, limit in sorted(section.floors.items())]
    budgets = (
        ("latency", "one row", context.latency_ms, section.max_latency_ms, "ms"),
        ("size", "the model", context.size_mb, section.max_size_mb, "MB"),
    )
    for rule, subject, value, limit, unit in budgets:
        if value is not None and limit is not None:
            message = f"{subject} takes {readable(value)} {unit}, the budget is {limit:g} {unit}"
            checks.append(Check(rule, subject, value <= limit, value, limit, message))
    return tuple(checks)


def _floor(figures: dict[str, float], name: str, limit: float) -> Check:
    if name not in figures:
        known = ", ".join(figures)
        message = f"unknown metric for this task; known: {known}"
        raise ParamsError([Problem(f"register.gate.floors.{name}", message)])
    value = figures[name]
    passed = value <= limit if lower_is_better(name) else value >= limit
    least = "at most" if lower_is_better(name) else "at least"
    return Check(
        "floor", name, passed, value, limit, f"{name} {readable(value)} must be {least} {limit}"
    )


def target_check(shift: str, section: GateSection) -> tuple[Check, ...]:
    """Whether the target is still distributed as it was for the champion; none where it is."""
    if not shift or section.target_shift == "allow":
        return ()
    message = (
        f"the target has moved since the champion was trained: {shift}; check its unit and its "
        "source; if it is right, `layerline promote VERSION`, or set register.gate.target_shift: "
        "allow"
    )
    return (Check("target", "target", False, None, None, message),)


def rows_check(
    n_rows: int, n_left_out: int | None, section: GateSection, n_distinct: int | None = None
) -> Check:
    """Whether there are enough rows for a bootstrap interval to be trusted; copies count once."""
    n_distinct = n_rows if n_distinct is None else n_distinct
    copies = f" ({n_distinct:,} distinct ones)" if n_distinct < n_rows else ""
    gone = (
        ""
        if not n_left_out
        else f" ({n_left_out:,} more were left out: the champion was trained on them)"
    )
    message = (
        f"{n_rows:,} test rows{copies}{gone} are too few to compare by, {section.min_rows:,} are "
        "needed: add data, raise scale.split.test, or lower register.gate.min_rows"
    )
    passed = n_distinct >= section.min_rows
    return Check("rows", "test rows", passed, float(n_distinct), float(section.min_rows), message)


def slice_gains(
    pair: tuple[Predictions, Predictions],
    slices: Sequence[Slice],
    metric: str,
    section: GateSection,
    seed: int,
) -> tuple[SliceGain, ...]:
    """The gain on each slice that has rows.

    A slice fails when it lost more than the tolerance and the loss is significant: the upper end of
    its interval is below 0. The intervals are widened for their number (Bonferroni), so that many
    slices do not fail by chance.
    """
    gains = pair[0].row_losses(metric) - pair[1].row_losses(metric)
    filled = [part for part in slices if part.is_in.any()]
    n_judged = sum(int(part.is_in.sum()) >= section.min_slice_rows for part in filled)
    confidence = 1 - (1 - section.confidence) / max(n_judged, 1)
    found = []
    for part in filled:
        n_rows, own = int(part.is_in.sum()), pair[0].take(part.is_in)
        weighted = gains[part.is_in] * own.multiples
        gain = interval(weighted, section.bootstrap, confidence, seed, own.groups)
        is_judged = n_rows >= section.min_slice_rows
        has_lost = gain.mean < -section.slice_tolerance and gain.upper < 0
        passed = not (is_judged and has_lost)
        found.append(
            SliceGain(part.name, n_rows, is_judged, passed, gain.mean, gain.lower, gain.upper)
        )
    return tuple(found)


def slices_check(
    slices: Sequence[SliceGain], metric: str, section: GateSection
) -> tuple[Check, ...]:
    """One check for all slices: the worst of those that are judged."""
    judged = [part for part in slices if part.judged]
    if not judged:
        return ()
    worst = min(judged, key=lambda part: (part.passed, part.gain_mean))
    n_lost = sum(not part.passed for part in judged)
    limit = -section.slice_tolerance
    message = (
        f"{n_lost} of {len(judged)} slices lost more than register.gate.slice_tolerance allows; "
        f"the worst is {worst.name} ({worst.n_rows:,} rows): gain in {metric} "
        f"{readable(worst.gain_mean)} {UNITS[metric]}, the limit is {limit:g}"
    )
    return (Check("slices", worst.name, not n_lost, worst.gain_mean, limit, message),)
