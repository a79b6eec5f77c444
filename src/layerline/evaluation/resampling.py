"""Bootstrap resamples of a split's rows, many at once, as weights of the rows."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from layerline.evaluation.predictions import Floats, Predictions

MIN_RESAMPLES = 200  # however many rows there are
_MAX_DRAWS, _MAX_AT_ONCE = 100_000_000, 2_000_000


@dataclasses.dataclass(frozen=True)
class Drawn:
    """R resamples of B rows: `weights` (R, B), how often a row was drawn, times what it counts."""

    predictions: Predictions
    weights: Floats

    @functools.cached_property
    def n_rows(self) -> Floats:
        """(R,) rows drawn."""
        return self.weights.sum(axis=1)

    def mean(self, rows: Floats) -> Floats:
        """(B,) values of rows -> (R,) means."""
        return self.weights @ rows / self.n_rows

    @functools.cached_property
    def parts(self) -> tuple["Drawn", ...]:
        """The same resamples of each of several targets."""
        return tuple(Drawn(part, self.weights) for part in self.predictions.parts)

    @functools.cached_property
    def outcomes(self) -> tuple[Floats, Floats, Floats]:
        """Counts of correct, predicted and true rows, (R, K) each, by class."""
        p = self.predictions
        assert p.probabilities is not None
        names = np.arange(p.probabilities.shape[1])
        is_true = (p.actual[:, None] == names).astype(np.float64)
        is_predicted = (p.predicted[:, None] == names).astype(np.float64)
        return (
            self.weights @ (is_true * is_predicted),
            self.weights @ is_predicted,
            self.weights @ is_true,
        )

    @functools.cached_property
    def areas(self) -> tuple[Floats, Floats]:
        """Areas under the ROC and the precision-recall curve.

        Of the positive class of two, else the mean of one against the rest, without classes that
        have no row or all of them.
        """
        p = self.predictions
        assert p.probabilities is not None
        n_classes = p.probabilities.shape[1]
        classes = (p.positive,) if n_classes == 2 else range(n_classes)
        found = [self._areas_of(k) for k in classes]
        roc, pr = (mean_of_defined(np.stack(part)) for part in zip(*found, strict=True))
        return roc, pr

    def _areas_of(self, k: int) -> tuple[Floats, Floats]:
        p = self.predictions
        assert p.probabilities is not None
        scores = p.probabilities[:, k]
        order = np.argsort(-scores, kind="stable")
        last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
        weights, is_true = self.weights[:, order], p.actual[order] == k
        tp = np.cumsum(weights * is_true, axis=1)[:, last]
        seen = np.cumsum(weights, axis=1)[:, last]
        fp = seen - tp
        n_true, n_other = tp[:, -1], fp[:, -1]
        before, after = np.zeros((len(tp), 1)), np.diff(tp, axis=1, prepend=0.0)
        widths = np.diff(fp, axis=1, prepend=0.0)
        heights = (np.hstack([before, tp[:, :-1]]) + tp) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(seen > 0, tp / seen, 0.0)
            roc = (widths * heights).sum(axis=1) / (n_true * n_other)
            pr = (after * precision).sum(axis=1) / n_true
        defined = (n_true > 0) & (n_other > 0)
        return np.where(defined, roc, np.nan), np.where(defined, pr, np.nan)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A line of the tables: resamples of rows -> (R,) values.

    `is_ranked`: it sorts rows, which is slower than a mean. A coverage is neither better when it is
    low nor when it is high: it has a target value.
    """

    build: Callable[[Drawn], Floats]
    lower_is_better: bool = False
    is_ranked: bool = False


def mean_of_defined(values: Floats) -> Floats:
    """(K, R) -> (R,) means that ignore NaN; NaN where all entries are NaN."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def share_of(part: Floats, whole: Floats) -> Floats:
    """Part / whole, 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def resample(predictions: Predictions, n_resamples: int, seed: int) -> Iterator[Drawn]:
    """Bootstrap resamples of the rows, in pieces that fit in memory.

    For very many rows fewer resamples are drawn, but at least MIN_RESAMPLES.
    """
    generator = np.random.default_rng(seed)
    n_rows = len(predictions.actual)
    codes: Any = slice(None)
    n_drawn = predictions.n_independent  # rows, or groups of rows that are drawn together
    if n_drawn < n_rows:
        _, codes = np.unique(np.asarray(predictions.groups), return_inverse=True)
    n_resamples = min(n_resamples, max(MIN_RESAMPLES, _MAX_DRAWS // n_rows))
    size = max(1, _MAX_AT_ONCE // n_rows)
    for start in range(0, n_resamples, size):
        n = min(size, n_resamples - start)
        drawn = generator.integers(n_drawn, size=(n, n_drawn)) + n_drawn * np.arange(n)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n * n_drawn).reshape(n, n_drawn)
        yield Drawn(predictions, counts.astype(np.float64)[:, codes] * predictions.multiples)
