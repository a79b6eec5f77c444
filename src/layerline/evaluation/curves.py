"""The numbers behind the plots, which DVC compares between experiments.

A curve is a mapping of column names to values of equal length; `write_curve` writes it as CSV.
"""

import csv
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.thresholds import threshold_counts

Curve = Mapping[str, NDArray[Any]]
MAX_POINTS = 200


def write_curve(path: Path, curve: Curve) -> None:
    """Write a curve as CSV, six significant digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(curve)
        for row in zip(*curve.values(), strict=True):
            writer.writerow([value if isinstance(value, str) else f"{value:.6g}" for value in row])


def _thin(n_points: int) -> NDArray[np.intp]:
    """Positions of at most MAX_POINTS of the points, both ends included."""
    return np.unique(np.linspace(0, n_points - 1, min(n_points, MAX_POINTS)).round().astype(int))


def _pairs(p: Predictions) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and truth: of the positive class of two, else of all classes (micro-average)."""
    assert p.probabilities is not None
    n_classes = p.probabilities.shape[1]
    if n_classes == 2:
        return p.probabilities[:, p.positive], p.actual == p.positive
    truth = p.actual[:, None] == np.arange(n_classes)
    return p.probabilities.ravel(), truth.ravel()


def ranking_curves(p: Predictions) -> tuple[Curve, Curve]:
    """The ROC and the precision-recall curve; with more than two classes micro-averaged.

    Source: sklearn.metrics.roc_curve and precision_recall_curve.
    """
    thresholds, counts = threshold_counts(*_pairs(p))
    n_true = max(counts.tp[0] + counts.fn[0], 1)
    n_other = max(counts.fp[0] + counts.tn[0], 1)
    keep = _thin(len(thresholds))[::-1]
    roc = {
        "false_positive_rate": counts.fp[keep] / n_other,
        "true_positive_rate": counts.tp[keep] / n_true,
    }
    predicted = counts.tp + counts.fp
    shown = keep[predicted[keep] > 0]
    pr = {"recall": counts.tp[shown] / n_true, "precision": counts.tp[shown] / predicted[shown]}
    return roc, pr


def threshold_curve(p: Predictions) -> Curve:
    """Precision, recall and F1 by threshold.

    Of the positive class of two. With more classes, rows below the threshold of confidence are
    abstained from: precision is the share of correct rows among the others, recall among all.
    """
    assert p.probabilities is not None
    thresholds = np.linspace(0, 1, 101)
    if p.probabilities.shape[1] == 2:
        scores, truth = _pairs(p)
        n_true = truth.sum()
    else:
        scores, truth = p.probabilities.max(axis=1), p.actual == p.probabilities.argmax(axis=1)
        n_true = len(truth)
    order = np.argsort(scores)
    first = np.searchsorted(scores[order], thresholds)
    right = truth.sum() - np.append(0, np.cumsum(truth[order]))[first]
    taken = len(scores) - first
    precision = np.divide(right, taken, out=np.ones(101), where=taken > 0)
    recall = right / max(n_true, 1)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros(101), where=total > 0)
    return {"threshold": thresholds, "precision": precision, "recall": recall, "f1": f1}


def calibration_curve(p: Predictions, n_bins: int = 10) -> Curve:
    """Observed frequency by predicted probability: of the positive or the most probable class.

    Source: sklearn.calibration.calibration_curve.
    """
    assert p.probabilities is not None
    if p.probabilities.shape[1] == 2:
        scores, truth = _pairs(p)
    else:
        scores, truth = p.probabilities.max(axis=1), p.actual == p.probabilities.argmax(axis=1)
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    rows = np.bincount(bins, minlength=n_bins)
    used = rows > 0
    return {
        "predicted": np.bincount(bins, scores, n_bins)[used] / rows[used],
        "observed": np.bincount(bins, truth, n_bins)[used] / rows[used],
        "rows": rows[used],
    }


def decile_curve(p: Predictions) -> Curve:
    """Mean absolute error and mean error in each tenth of the predictions, from low to high."""
    order = np.argsort(p.predicted, kind="stable")
    error = (p.predicted - p.actual)[order]
    parts = [part for part in np.array_split(np.arange(len(order)), 10) if len(part)]
    return {
        "decile": np.arange(1, len(parts) + 1),
        "predicted": np.array([p.predicted[order][part].mean() for part in parts]),
        "mae": np.array([np.abs(error[part]).mean() for part in parts]),
        "bias": np.array([error[part].mean() for part in parts]),
    }


def confusion_counts(predictions: Predictions, n_classes: int) -> NDArray[np.int64]:
    """(K, K) rows by true class, columns by predicted class."""
    pairs = predictions.actual.astype(int) * n_classes + predictions.predicted.astype(int)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def tenths_of(p: Predictions) -> tuple[list[str], NDArray[np.intp], NDArray[np.intp]]:
    """Names of the deciles of the actual values; the decile of each actual and predicted value."""
    ends = np.quantile(p.actual, np.linspace(0, 1, 11))
    names = [f"{k}: {low:.4g} to {high:.4g}" for k, (low, high) in enumerate(pairwise(ends))]
    edges = ends[1:-1]
    actual = np.searchsorted(edges, p.actual, side="right")
    return names, actual, np.searchsorted(edges, p.predicted, side="right")
