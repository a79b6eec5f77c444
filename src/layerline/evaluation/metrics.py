"""Figures for one split. To add one: a line in CLASSIFICATION, REGRESSION or QUANTILES.

An entry takes Predictions and returns a number, or None where it is not defined (ROC AUC of rows
that are all of one class).
"""

from collections.abc import Callable, Mapping

import numpy as np

from layerline.evaluation.predictions import Predictions

Metric = Callable[[Predictions], float | None]


def accuracy(p: Predictions) -> float:
    """Share of rows whose most probable class is the true one."""
    return float((p.actual == p.predicted).mean())


def log_loss(p: Predictions) -> float:
    """Mean of -log of the true class's probability, in nats."""
    return float(p.row_losses("log_loss").mean())


def roc_auc(p: Predictions) -> float | None:
    """Area under the ROC curve: of class 1 when there are two, else the mean of one-against-rest.

    Classes without a row in the split, or with all of them, are left out of the mean.
    Source: sklearn.metrics.roc_auc_score.
    """
    from sklearn.metrics import roc_auc_score

    assert p.probabilities is not None
    n_classes = p.probabilities.shape[1]
    areas = [
        roc_auc_score(p.actual == k, p.probabilities[:, k])
        for k in ((1,) if n_classes == 2 else range(n_classes))
        if 0 < (p.actual == k).sum() < len(p.actual)
    ]
    return float(np.mean(areas)) if areas else None


def f1_macro(p: Predictions) -> float:
    """Mean over classes of the harmonic mean of precision and recall.

    Source: sklearn.metrics.f1_score.
    """
    from sklearn.metrics import f1_score

    return float(f1_score(p.actual, p.predicted, average="macro", zero_division=0.0))


def ece(p: Predictions, n_bins: int = 15) -> float:
    """Expected calibration error of the most probable class, in equal-width bins.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017).
    """
    assert p.probabilities is not None
    confidence = p.probabilities.max(axis=1)
    right = p.actual == p.predicted
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(right))


def rmse(p: Predictions) -> float:
    """Root mean squared error, in the target's unit."""
    return float(np.sqrt(p.row_losses("rmse").mean()))


def mae(p: Predictions) -> float:
    """Mean absolute error, in the target's unit."""
    return float(p.row_losses("mae").mean())


def r2(p: Predictions) -> float | None:
    """Share of the variance explained; None for fewer than two rows or a constant target.

    Source: sklearn.metrics.r2_score.
    """
    total = np.square(p.actual - p.actual.mean()).sum()
    return float(1 - p.row_losses("rmse").sum() / total) if total > 0 else None


def pinball(p: Predictions) -> float:
    """Mean quantile loss over rows and levels, in the target's unit.

    Source: sklearn.metrics.mean_pinball_loss.
    """
    return float(p.row_losses("pinball").mean())


def interval_coverage(p: Predictions) -> float | None:
    """Share of rows between the lowest and the highest level; None for a single level.

    It should be the highest level minus the lowest.
    """
    if p.quantiles is None or len(p.levels) < 2:
        return None
    inside = (p.quantiles[:, 0] <= p.actual) & (p.actual <= p.quantiles[:, -1])
    return float(inside.mean())


def interval_width(p: Predictions) -> float | None:
    """Mean distance of the highest level from the lowest, in the target's unit."""
    if p.quantiles is None or len(p.levels) < 2:
        return None
    return float((p.quantiles[:, -1] - p.quantiles[:, 0]).mean())


CLASSIFICATION: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "log_loss": log_loss,
    "roc_auc": roc_auc,
    "f1_macro": f1_macro,
    "ece": ece,
}

REGRESSION: Mapping[str, Metric] = {
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
}

QUANTILES: Mapping[str, Metric] = {
    "pinball": pinball,
    "interval_coverage": interval_coverage,
    "interval_width": interval_width,
}


def measure(predictions: Predictions) -> dict[str, float]:
    """Every figure of the task that is defined for these rows."""
    table = REGRESSION if predictions.probabilities is None else CLASSIFICATION
    if predictions.quantiles is not None:
        table = {**REGRESSION, **QUANTILES}
    figures = {name: metric(predictions) for name, metric in table.items()}
    return {name: value for name, value in figures.items() if value is not None}
