"""How much of the target one feature alone predicts: near 1 is a leak more often than a gift.

Numbers against numbers: the squared correlation of the values or of their ranks. Otherwise the
feature is cut into bins (a category is one each, missing values are one), each bin's most frequent
class or mean is learnt from one half of the rows and judged on the other, as a share of what always
guessing the most frequent class or the mean leaves open. An identifier, whose values are all new,
shows nothing that way.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MAX_BINS = 512


def share_told(feature: pd.Series, target: pd.Series, *, classes: bool) -> float:
    """The share of the target, 0 to 1, that the feature alone predicts."""
    is_number = pd.api.types.is_numeric_dtype(feature) and not pd.api.types.is_bool_dtype(feature)
    if is_number and not classes:
        return _correlation(feature.to_numpy(np.float64), target.to_numpy(np.float64))
    bins = _bins(feature.to_numpy(np.float64)) if is_number else pd.factorize(feature)[0] + 1
    order = np.random.default_rng(0).permutation(len(bins))
    learn, judge = order[::2], order[1::2]
    if classes:
        codes = pd.factorize(target)[0]
        return _told_of_classes(bins, codes, learn, judge)
    return _told_of_numbers(bins, target.to_numpy(np.float64), learn, judge)


def _bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """(B,) bins of equal counts, or one for each value where there are few; 0 is missing."""
    there = ~np.isnan(values)
    bins = np.zeros(len(values), dtype=np.int64)
    levels, codes = np.unique(values[there], return_inverse=True)
    most = max(2, min(MAX_BINS, len(values) // 8))
    if len(levels) > most:
        edges = np.unique(np.quantile(values[there], np.linspace(0, 1, most + 1)[1:-1]))
        codes = np.searchsorted(edges, values[there], side="right")
    bins[there] = codes + 1
    return bins


def _told_of_classes(
    bins: NDArray[np.int64],
    codes: NDArray[np.int64],
    learn: NDArray[np.int64],
    judge: NDArray[np.int64],
) -> float:
    n_classes, n_bins = int(codes.max()) + 1, int(bins.max()) + 1
    if n_bins * n_classes > 1 << 24:
        return 0.0
    counts = np.bincount(bins[learn] * n_classes + codes[learn], minlength=n_bins * n_classes)
    table = counts.reshape(n_bins, n_classes)
    guess = table.argmax(axis=1)[_nearest_seen(table.sum(axis=1) > 0)]
    right = float((guess[bins[judge]] == codes[judge]).mean())
    base = float((codes[judge] == table.sum(axis=0).argmax()).mean())
    return (right - base) / (1.0 - base) if base < 1.0 else 0.0


def _nearest_seen(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each bin itself, or where nothing was learnt of it the one before it."""
    return np.maximum.accumulate(np.where(seen, np.arange(len(seen)), 0))


def _told_of_numbers(
    bins: NDArray[np.int64],
    target: NDArray[np.float64],
    learn: NDArray[np.int64],
    judge: NDArray[np.int64],
) -> float:
    overall = float(target[learn].mean())
    counts = np.bincount(bins[learn], minlength=int(bins.max()) + 1)
    sums = np.bincount(bins[learn], weights=target[learn], minlength=len(counts))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    spread = float(((target[judge] - overall) ** 2).mean())
    left = float(((target[judge] - means[bins[judge]]) ** 2).mean())
    return 1.0 - left / spread if spread > 0 else 0.0


def _correlation(feature: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    there = ~np.isnan(feature)
    x, y = feature[there], target[there]
    if len(x) < 3 or x.min() == x.max() or y.min() == y.max():
        return 0.0
    straight = _squared(x, y)
    ranks = [np.unique(v, return_inverse=True)[1].astype(np.float64) for v in (x, y)]
    return float(max(straight, _squared(*ranks)) * there.mean())


def _squared(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    # Scaled first: squares of 1e200 would overflow, sums of 1e308 too.
    x, y = (v / (np.abs(v).max() or 1.0) for v in (x, y))
    x, y = x - x.mean(), y - y.mean()
    spread = float((x @ x) * (y @ y))
    return float((x @ y) ** 2) / spread if spread > 0 else 0.0
