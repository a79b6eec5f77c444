"""Bootstrap: how far a figure, or the difference between two models, could be chance."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from layerline.evaluation.predictions import Predictions

Floats = NDArray[np.float64]
_CHUNK = 50  # resamples drawn at once: memory stays at 50 x rows


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and its two-sided percentile bootstrap interval."""

    mean: float
    lower: float
    upper: float


def resampled_means(rows: Floats, n_resamples: int, seed: int) -> Floats:
    """(n_resamples,) means of `rows` (B,), drawn with replacement.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    generator = np.random.default_rng(seed)
    means = [
        rows[
            generator.integers(len(rows), size=(min(_CHUNK, n_resamples - start), len(rows)))
        ].mean(axis=1)
        for start in range(0, n_resamples, _CHUNK)
    ]
    return np.concatenate(means)


def interval(rows: Floats, n_resamples: int, confidence: float, seed: int) -> Interval:
    """The mean of `rows` (B,) with its interval."""
    means = resampled_means(rows, n_resamples, seed)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(means, [tail, 1 - tail])
    return Interval(float(rows.mean()), float(lower), float(upper))


def metric_intervals(
    predictions: Predictions, n_resamples: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Intervals of the figures that are means over rows: accuracy, log_loss; rmse, mae, pinball."""
    if not n_resamples:
        return {}
    names = ["rmse", "mae"] if predictions.probabilities is None else ["accuracy", "log_loss"]
    if predictions.quantiles is not None:
        names.append("pinball")
    found: dict[str, Interval] = {}
    for name in names:
        low = interval(predictions.row_losses(name), n_resamples, confidence, seed)
        if name == "rmse":
            low = Interval(low.mean**0.5, low.lower**0.5, low.upper**0.5)
        if name == "accuracy":
            low = Interval(1 - low.mean, 1 - low.upper, 1 - low.lower)
        found[name] = low
    return found


def paired_gain(
    champion: Predictions,
    challenger: Predictions,
    *,
    metric: str,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> Interval:
    """How much lower the challenger's mean row loss is on the same rows; above 0 is better.

    Rows are drawn in pairs, so that what is hard for both cancels.
    """
    gains = champion.row_losses(metric) - challenger.row_losses(metric)
    return interval(gains, n_resamples, confidence, seed)
