"""The threshold of a binary task, chosen on validation rows by a score.

To add a score: a function of `Counts` and a line in SCORES.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from layerline.config import ThresholdSection
from layerline.evaluation.predictions import Floats

_TINY = np.finfo(np.float64).tiny  # no rows at all are no reason to divide by zero


@dataclasses.dataclass(frozen=True)
class Counts:
    """Rows by outcome at C thresholds, or what they weigh, each (C,)."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats


def _f1(c: Counts, section: ThresholdSection) -> Floats:
    return 2 * c.tp / np.maximum(2 * c.tp + c.fp + c.fn, _TINY)


def _accuracy(c: Counts, section: ThresholdSection) -> Floats:
    return (c.tp + c.tn) / (c.tp + c.tn + c.fp + c.fn)


def _balanced_accuracy(c: Counts, section: ThresholdSection) -> Floats:
    recalls = (c.tp / np.maximum(c.tp + c.fn, _TINY), c.tn / np.maximum(c.tn + c.fp, _TINY))
    return (recalls[0] + recalls[1]) / 2


def _cost(c: Counts, section: ThresholdSection) -> Floats:
    paid = section.false_positive * c.fp + section.false_negative * c.fn
    return -paid / (c.tp + c.tn + c.fp + c.fn)


# Scores by which a threshold is chosen, higher is better; `evaluate.threshold.metric` names one.
SCORES: Mapping[str, Callable[[Counts, ThresholdSection], Floats]] = {
    "f1": _f1,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "cost": _cost,
}


def threshold_counts(
    scores: Floats, is_positive: NDArray[np.bool_], weights: Floats | None = None
) -> tuple[Floats, Counts]:
    """Every threshold that separates rows, in rising order, and the outcomes at each.

    Args:
        scores: (B,) probability of the positive class.
        is_positive: (B,) the truth.
        weights: (B,) what each row counts.
    """
    order = np.argsort(scores, kind="stable")
    levels, first = np.unique(scores[order], return_index=True)
    middles = (levels[1:] + levels[:-1]) / 2
    # A middle that is rounded to its lower end would include that row.
    middles = np.where(middles > levels[:-1], middles, levels[1:])
    above = (levels[-1] + 1) / 2
    thresholds = np.concatenate([[0.0], middles, [above] if above > levels[-1] else []])
    rows = np.ones(len(scores)) if weights is None else weights[order]
    positives = np.concatenate([[0], np.cumsum(rows * is_positive[order])])
    negatives = np.concatenate([[0], np.cumsum(rows * ~is_positive[order])])
    below = np.concatenate([first, [len(scores)]])[: len(thresholds)]  # rows under a threshold
    fn, tn = positives[below], negatives[below]
    return thresholds, Counts(positives[-1] - fn, negatives[-1] - tn, fn, tn)


def choose_threshold(
    scores: Floats,
    is_positive: NDArray[np.bool_],
    section: ThresholdSection,
    weights: Floats | None = None,
) -> float:
    """The threshold with the best score on these rows; among equals the one nearest to 0.5."""
    thresholds, counts = threshold_counts(scores, is_positive, weights)
    found = SCORES[section.metric](counts, section)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]])
