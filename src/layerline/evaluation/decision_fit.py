"""The decision fitted on validation rows: the temperature, then the threshold of a binary task."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.config import EvaluateSection, ThresholdSection
from layerline.errors import ParamsError, Problem
from layerline.evaluation.decision import PLAIN, Decision
from layerline.evaluation.predictions import Floats, Ints, softmax

N_FOLDS = 5
# A temperature below 1 must gain so many standard errors, on rows with so many wrong answers.
SURE, FEWEST_ERRORS = 2.0, 30
_LIMITS = (0.1, 10.0)  # of a temperature: beyond it nothing is measured, the rows are separated
_STEPS = 50


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a temperature does to validation rows that it was not fitted on.

    Log loss before and after, in nats; `kept` says whether the model carries it.
    """

    temperature: float
    before: float
    after: float
    kept: bool


def fit_temperature(logits: NDArray[np.floating], actual: Ints) -> float | None:
    """The temperature with the lowest log loss of logits (B, K) whose classes are `actual` (B,).

    None where there is no lowest: every row is right, and ever lower temperatures are better.
    The loss is convex in 1 / temperature, so Newton's steps find it.
    Source: Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2.
    """
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    chosen = z[np.arange(len(z)), actual].mean()
    sharpness = 1.0
    low, high = 1 / _LIMITS[1], 1 / _LIMITS[0]
    for _ in range(_STEPS):
        shares = softmax(z * sharpness)
        expected = (shares * z).sum(axis=1)
        slope = expected.mean() - chosen
        curve = ((shares * np.square(z)).sum(axis=1) - np.square(expected)).mean()
        step = slope / curve if curve > 0 else np.sign(slope) * np.inf
        following = float(np.clip(sharpness - step, sharpness / 3, sharpness * 3))
        following = min(max(following, low), high)
        if abs(following - sharpness) <= 1e-10 * sharpness:
            break
        sharpness = following
    return None if sharpness in (low, high) else 1 / sharpness


def calibrate(logits: NDArray[np.floating], actual: Ints) -> Calibration:
    """Fit a temperature; keep it if one that was fitted on other rows lowers the log loss.

    On its own rows a temperature can only gain. So each fifth of the rows is judged with a
    temperature of the other four; what is kept is then fitted on all. One below 1 makes the model
    surer of itself, for which these rows speak too readily: the epoch was chosen by them, and what
    being surely wrong costs shows only in wrong answers. So its gain must be `SURE` standard
    errors, and at least `FEWEST_ERRORS` of the rows answered wrongly.
    """
    plain = _row_losses(logits, actual, 1.0)
    before = float(plain.mean())
    temperature = fit_temperature(logits, actual)
    if temperature is None or len(actual) < 2 * N_FOLDS:
        return Calibration(1.0, before, before, kept=False)
    fold = np.arange(len(actual)) % N_FOLDS
    losses = np.empty(len(actual))
    for k in range(N_FOLDS):
        inside = fold == k
        fitted = fit_temperature(logits[~inside], actual[~inside])
        losses[inside] = _row_losses(logits[inside], actual[inside], fitted or 1.0)
    gains = plain - losses
    needed = SURE * gains.std() / np.sqrt(len(gains)) if temperature < 1 else 0.0
    n_wrong = np.count_nonzero(logits.argmax(axis=1) != actual)
    enough = temperature > 1 or n_wrong >= FEWEST_ERRORS
    kept = bool(enough and gains.mean() > needed)
    return Calibration(temperature if kept else 1.0, before, float(losses.mean()), kept)


def _row_losses(logits: NDArray[np.floating], actual: Ints, temperature: float) -> Floats:
    return Decision(temperature).classify(logits, actual).row_losses("log_loss")


@dataclasses.dataclass(frozen=True)
class Counts:
    """Rows by outcome at C thresholds, each (C,)."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats


def _f1(c: Counts, section: ThresholdSection) -> Floats:
    return 2 * c.tp / np.maximum(2 * c.tp + c.fp + c.fn, 1)


def _accuracy(c: Counts, section: ThresholdSection) -> Floats:
    return (c.tp + c.tn) / (c.tp + c.tn + c.fp + c.fn)


def _balanced_accuracy(c: Counts, section: ThresholdSection) -> Floats:
    recalls = (c.tp / np.maximum(c.tp + c.fn, 1), c.tn / np.maximum(c.tn + c.fp, 1))
    return (recalls[0] + recalls[1]) / 2


def _cost(c: Counts, section: ThresholdSection) -> Floats:
    paid = section.false_positive * c.fp + section.false_negative * c.fn
    return -paid / (c.tp + c.tn + c.fp + c.fn)


# What a threshold may be chosen for; higher is better. `evaluate.threshold.metric` names one.
SCORES: Mapping[str, Callable[[Counts, ThresholdSection], Floats]] = {
    "f1": _f1,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "cost": _cost,
}


def threshold_counts(scores: Floats, is_positive: NDArray[np.bool_]) -> tuple[Floats, Counts]:
    """Every threshold that tells rows apart, rising, and the outcomes at each.

    Args:
        scores: (B,) probability of the positive class.
        is_positive: (B,) the truth.
    """
    order = np.argsort(scores, kind="stable")
    levels, first = np.unique(scores[order], return_index=True)
    middles = (levels[1:] + levels[:-1]) / 2
    # A middle that rounds to its lower end would take that row in.
    middles = np.where(middles > levels[:-1], middles, levels[1:])
    above = (levels[-1] + 1) / 2
    thresholds = np.concatenate([[0.0], middles, [above] if above > levels[-1] else []])
    positives = np.concatenate([[0], np.cumsum(is_positive[order])])
    below = np.concatenate([first, [len(scores)]])[: len(thresholds)]  # rows under a threshold
    fn = positives[below].astype(np.float64)
    tn = below - fn
    n_positive = positives[-1]
    return thresholds, Counts(n_positive - fn, len(scores) - n_positive - tn, fn, tn)


def choose_threshold(
    scores: Floats, is_positive: NDArray[np.bool_], section: ThresholdSection
) -> float:
    """The threshold with the best score on these rows; of equals the one nearest one half."""
    thresholds, counts = threshold_counts(scores, is_positive)
    found = SCORES[section.metric](counts, section)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]])


def decide(
    logits: NDArray[np.floating],
    actual: Ints,
    classes: Sequence[Any],
    section: EvaluateSection,
) -> tuple[Decision, Calibration | None]:
    """Fit the decision on validation rows, as params.yaml asks.

    Args:
        logits: (B, K) of the validation rows.
        actual: (B,) their class indices.
        classes: the K labels.
        section: params.yaml's `evaluate`.

    Raises:
        ParamsError: a threshold for more than two classes, or a positive class that is none.
    """
    positive = positive_index(section, classes)
    calibration = calibrate(logits, actual) if section.temperature else None
    decision = Decision(calibration.temperature if calibration else 1.0, None, positive)
    if section.threshold is None:
        return decision, calibration
    if isinstance(section.threshold, ThresholdSection):
        scores = decision.probabilities(logits)[:, positive]
        threshold = choose_threshold(scores, actual == positive, section.threshold)
    else:
        threshold = float(section.threshold)
    return dataclasses.replace(decision, threshold=threshold), calibration


def positive_index(section: EvaluateSection, classes: Sequence[Any]) -> int:
    """The index of the class that `evaluate` calls positive; the second where it names none."""
    if len(classes) != 2 and section.threshold is not None:
        raise ParamsError(
            [
                Problem(
                    "evaluate.threshold",
                    f"only a binary task has a threshold, this one has {len(classes)} classes; "
                    "take it out",
                )
            ]
        )
    if section.positive is None:
        return min(1, len(classes) - 1)
    named = [k for k, name in enumerate(classes) if str(name) == str(section.positive)]
    if len(classes) != 2 or not named:
        message = f"{section.positive!r} is none of the two classes of a binary task"
        shown = ", ".join(map(repr, classes[:20]))
        raise ParamsError([Problem("evaluate.positive", f"{message}; the classes are {shown}")])
    return named[0]


def decide_plainly(section: EvaluateSection) -> Decision:
    """The decision of a regression: there is none.

    Raises:
        ParamsError: params.yaml asks for one.
    """
    for key in ("threshold", "positive"):
        if getattr(section, key) is not None:
            message = "a regression has no classes to decide between; take it out"
            raise ParamsError([Problem(f"evaluate.{key}", message)])
    return PLAIN
