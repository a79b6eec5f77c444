"""Bootstrap: confidence intervals of metrics and of differences between models."""

import dataclasses
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.evaluation.metrics import measure, table_of
from layerline.evaluation.predictions import Floats, Groups, Predictions, count_independent
from layerline.evaluation.resampling import MIN_RESAMPLES, resample

_CHUNK = 50  # resamples drawn at once: memory stays at 50 x rows
_MAX_RANKED = 20_000_000  # rows x classes x resamples to sort


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and its two-sided percentile bootstrap interval."""

    mean: float
    lower: float
    upper: float


def resampled_means(rows: Floats, n_resamples: int, seed: int, groups: Groups = None) -> Floats:
    """(n_resamples,) means of `rows` (B,), drawn with replacement.

    With `groups` (B,), all rows of a group are drawn together: copies of a row, or the rows of one
    patient, are not independent.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    generator = np.random.default_rng(seed)
    if count_independent(groups, len(rows)) < len(rows):
        return _resampled_groups(rows, n_resamples, generator, np.asarray(groups))
    means = [
        rows[
            generator.integers(len(rows), size=(min(_CHUNK, n_resamples - start), len(rows)))
        ].mean(axis=1)
        for start in range(0, n_resamples, _CHUNK)
    ]
    return np.concatenate(means)


def _resampled_groups(
    rows: Floats, n_resamples: int, generator: np.random.Generator, groups: NDArray[Any]
) -> Floats:
    """Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8."""
    _, codes = np.unique(groups, return_inverse=True)
    sizes, sums = np.bincount(codes), np.bincount(codes, weights=rows)
    means = []
    for start in range(0, n_resamples, _CHUNK):
        size = (min(_CHUNK, n_resamples - start), len(sizes))
        drawn = generator.integers(len(sizes), size=size)
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def interval(
    rows: Floats, n_resamples: int, confidence: float, seed: int, groups: Groups = None
) -> Interval:
    """The mean of `rows` (B,) with its interval, widened for small numbers of rows."""
    means = resampled_means(rows, n_resamples, seed, groups)
    tail = expanded_tail((1 - confidence) / 2, count_independent(groups, len(rows)))
    lower, upper = np.quantile(means, [tail, 1 - tail])
    return Interval(float(rows.mean()), float(lower), float(upper))


def expanded_tail(tail: float, n_rows: int) -> float:
    """The tail to cut from the resampled means so that the interval really leaves out `tail`.

    Resamples of few rows vary less than the population, by (n - 1) / n, and estimate its spread
    with the uncertainty of Student's t.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 5.3, the
    expanded percentile interval.

    >>> [round(expanded_tail(0.025, n), 4) for n in (2, 10, 30, 1000)]
    [0.0, 0.0086, 0.0188, 0.0248]
    """
    if n_rows < 2:
        return tail
    from scipy.special import stdtrit  # not at the top: few commands need it

    quantile = float(stdtrit(n_rows - 1, 1 - tail)) * (n_rows / (n_rows - 1)) ** 0.5
    return NormalDist().cdf(-quantile)


def metric_intervals(
    predictions: Predictions, n_resamples: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """The interval of every metric of the task that is defined for these rows."""
    if not n_resamples:
        return {}
    drawn = resampled_figures(predictions, n_resamples, seed)
    return {
        name: bounds(value, drawn[name], confidence, predictions.n_independent)
        for name, value in measure(predictions).items()
    }


def resampled_figures(predictions: Predictions, n_resamples: int, seed: int) -> dict[str, Floats]:
    """Every metric of the task on resamples of the rows, NaN where it is undefined.

    With the same seed and numbers of rows and classes the same rows are drawn, so the values of two
    models are paired. For very many rows fewer resamples are drawn, but at least MIN_RESAMPLES.
    """
    n_columns = 1 if predictions.probabilities is None else predictions.probabilities.shape[1]
    n_columns = max(n_columns, 2 * len(predictions.targets))
    # Metrics that sort the rows of each class get fewer resamples when there are many rows.
    max_ranked = max(MIN_RESAMPLES, _MAX_RANKED // (n_columns * len(predictions.actual)))
    values: dict[str, list[Floats]] = {name: [] for name in table_of(predictions)}
    n_drawn = 0
    for drawn in resample(predictions, n_resamples, seed):
        for name, metric in table_of(predictions).items():
            if not metric.is_ranked or n_drawn < max_ranked:
                values[name].append(metric.build(drawn))
        n_drawn += len(drawn.weights)
    return {name: np.concatenate(pieces) for name, pieces in values.items()}


def bounds(value: float, resampled: Floats, confidence: float, n_rows: int) -> Interval:
    """The percentile interval of a metric of `n_rows`, widened for small numbers of rows.

    Resamples in which it is undefined are left out.
    """
    tail = expanded_tail((1 - confidence) / 2, n_rows)
    known = resampled[~np.isnan(resampled)]
    lower, upper = np.quantile(known, [tail, 1 - tail]) if len(known) else (value, value)
    return Interval(value, float(lower), float(upper))


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

    Rows are drawn in pairs, so that the difficulty of a row cancels.
    """
    gains = champion.row_losses(metric) - challenger.row_losses(metric)
    return interval(gains * champion.multiples, n_resamples, confidence, seed, champion.groups)
