"""Metrics of intervals and sets: how many rows are inside, and how large they are."""

import numpy as np

from layerline.evaluation.predictions import Floats
from layerline.evaluation.resampling import Drawn


def interval_coverage(drawn: Drawn) -> Floats:
    """Share of rows between the lowest and the highest level; NaN for a single level.

    It should be the highest level minus the lowest.
    """
    p = drawn.predictions
    if p.quantiles is None or len(p.levels) < 2:
        return np.full(len(drawn.weights), np.nan)
    inside = (p.quantiles[:, 0] <= p.actual) & (p.actual <= p.quantiles[:, -1])
    return drawn.mean(inside.astype(np.float64))


def interval_width(drawn: Drawn) -> Floats:
    """Mean distance of the highest level from the lowest, in the target's unit."""
    p = drawn.predictions
    if p.quantiles is None or len(p.levels) < 2:
        return np.full(len(drawn.weights), np.nan)
    return drawn.mean(p.quantiles[:, -1] - p.quantiles[:, 0])


def conformal_coverage(drawn: Drawn) -> Floats:
    """Share of rows whose true value is in their region; it should be `evaluate.conformal`."""
    p = drawn.predictions
    assert p.regions is not None
    if p.probabilities is not None:
        inside = p.regions[np.arange(len(p.actual)), p.actual.astype(np.int64)]
    else:
        inside = (p.regions[:, 0] <= p.actual) & (p.actual <= p.regions[:, 1])
    return drawn.mean(inside.astype(np.float64))


def conformal_size(drawn: Drawn) -> Floats:
    """Mean width of the intervals in the target's unit, or mean number of classes in a set."""
    p = drawn.predictions
    assert p.regions is not None
    if p.probabilities is not None:
        return drawn.mean(p.regions.sum(axis=1).astype(np.float64))
    return drawn.mean(p.regions[:, 1] - p.regions[:, 0])
