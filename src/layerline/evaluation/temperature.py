"""Temperature scaling, fitted on validation rows and kept only where it helps.

Source: Guo et al., On Calibration of Modern Neural Networks (2017).
"""

import dataclasses
from functools import partial

import numpy as np
from numpy.typing import NDArray

from layerline.evaluation.decision import Decision
from layerline.evaluation.predictions import Floats, Ints, softmax

N_FOLDS = 5
# A temperature below 1 must gain MIN_ERRORS_OF_MEAN standard errors, on rows with at least
# MIN_WRONG wrong answers.
MIN_ERRORS_OF_MEAN, MIN_WRONG = 2.0, 30
_LIMITS = (0.1, 10.0)  # beyond them the classes are separated, and no temperature is best
_STEPS = 50


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The effect of a temperature on validation rows that it was not fitted on.

    Log loss before and after, in nats; `kept`: the temperature is part of the model.
    """

    temperature: float
    before: float
    after: float
    kept: bool


def fit_temperature(
    logits: NDArray[np.floating], actual: Ints, weights: Floats | None = None
) -> float | None:
    """The temperature with the lowest log loss of logits (B, K) whose classes are `actual` (B,).

    None without a minimum: every row is right, and lower temperatures are always better.
    `weights` (B,) are what each row counts.

    The loss is convex in 1 / temperature, so Newton's steps find it.
    Source: Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2.
    """
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    mean = partial(np.average, weights=weights)
    chosen = mean(z[np.arange(len(z)), actual])
    sharpness = 1.0
    low, high = 1 / _LIMITS[1], 1 / _LIMITS[0]
    for _ in range(_STEPS):
        shares = softmax(z * sharpness)
        expected = (shares * z).sum(axis=1)
        slope = mean(expected) - chosen
        curve = mean((shares * np.square(z)).sum(axis=1) - np.square(expected))
        step = slope / curve if curve > 0 else np.sign(slope) * np.inf
        following = float(np.clip(sharpness - step, sharpness / 3, sharpness * 3))
        following = min(max(following, low), high)
        if abs(following - sharpness) <= 1e-10 * sharpness:
            break
        sharpness = following
    return None if sharpness in (low, high) else 1 / sharpness


def calibrate(
    logits: NDArray[np.floating], actual: Ints, weights: Floats | None = None
) -> Calibration:
    """Fit a temperature; keep it if it lowers the log loss in cross-validation.

    On the rows it is fitted on, a temperature cannot lose. So each fifth of the rows is judged with
    a temperature fitted on the other four; the one that is kept is then fitted on all.

    A temperature below 1 makes the model more confident. Validation rows are biased towards that:
    they chose the epoch, and the cost of confident mistakes shows only in mistakes. So the gain
    must be at least `MIN_ERRORS_OF_MEAN` standard errors, and at least `MIN_WRONG` rows must be
    predicted wrongly. `weights` (B,) are what each row counts.
    """
    plain, mean = _row_losses(logits, actual, 1.0), partial(np.average, weights=weights)
    before = float(mean(plain))
    temperature = fit_temperature(logits, actual, weights)
    if temperature is None or len(actual) < 2 * N_FOLDS:
        return Calibration(1.0, before, before, kept=False)
    fold = np.arange(len(actual)) % N_FOLDS
    losses = np.empty(len(actual))
    for k in range(N_FOLDS):
        inside = fold == k
        others = None if weights is None else weights[~inside]
        fitted = fit_temperature(logits[~inside], actual[~inside], others)
        losses[inside] = _row_losses(logits[inside], actual[inside], fitted or 1.0)
    gains = plain - losses
    needed = MIN_ERRORS_OF_MEAN * _error_of_mean(gains, weights) if temperature < 1 else 0.0
    n_wrong = np.count_nonzero(logits.argmax(axis=1) != actual)
    enough = temperature > 1 or n_wrong >= MIN_WRONG
    kept = bool(enough and mean(gains) > needed)
    return Calibration(temperature if kept else 1.0, before, float(mean(losses)), kept)


def _error_of_mean(gains: Floats, weights: Floats | None) -> float:
    """Rows of unequal weights know as much as fewer equal ones. Source: Kish (1965), 11.7."""
    spread = np.average(np.square(gains - np.average(gains, weights=weights)), weights=weights)
    n_rows = len(gains) if weights is None else weights.sum() ** 2 / np.square(weights).sum()
    return float(np.sqrt(spread / n_rows))


def _row_losses(logits: NDArray[np.floating], actual: Ints, temperature: float) -> Floats:
    return Decision(temperature).classify(logits, actual).row_losses("log_loss")
