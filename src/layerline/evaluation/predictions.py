"""From a network's outputs to what the user predicts: probabilities, or numbers in their unit."""

import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.tables.targets import TargetColumn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Groups = NDArray[Any] | None
UNKNOWN: Ints = np.empty(0, np.int64)  # the truth of new rows


def count_independent(groups: Groups, n_rows: int) -> int:
    """How many groups there are; without groups every row is one."""
    return n_rows if groups is None else len(np.unique(groups))


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions of rows, and their truth where it is known.

    Classification: `actual` (B,) class index, `probabilities` (B, K), `predicted` (B,) index.
    Regression: `actual` and `predicted` (B,) in the user's unit, `probabilities` is None.
    Of a quantile loss also `quantiles` (B, Q), in rising order, of the Q `levels`. `regions` are
    conformal: (B, 2) bounds of a number, or (B, K) which classes are in the set.
    `positive` is the class of two that a threshold, precision and recall are about. Rows of equal
    `groups` (B,) are copies, or belong together: they are one observation to the bootstrap.
    `weights` (B,) are what each row counts in a metric. `costs` (K, K) of a row are by its true and
    its predicted class.
    Of several `targets` `actual` and `predicted` are (B, T), of labels as indices, and
    `probabilities` (B, T) those of each second level; `parts` are the predictions of each target.
    """

    actual: Floats | Ints
    predicted: Floats | Ints
    probabilities: Floats | None = None
    quantiles: Floats | None = None
    levels: tuple[float, ...] = ()
    positive: int = 1
    groups: Groups = None
    regions: NDArray[Any] | None = None
    weights: Floats | None = None
    costs: Floats | None = None
    targets: tuple[TargetColumn, ...] = ()

    @functools.cached_property
    def parts(self) -> tuple["Predictions", ...]:
        """Of several targets: the predictions of each, as if it were alone."""
        return tuple(self._part(place) for place in range(len(self.targets)))

    def _part(self, place: int) -> "Predictions":
        share = None if self.probabilities is None else self.probabilities[:, place]
        return Predictions(
            self.actual[:, place],
            self.predicted[:, place],
            None if share is None else np.stack([1 - share, share], axis=1),
            groups=self.groups,
            weights=self.weights,
        )

    @property
    def multiples(self) -> Floats:
        """(B,) what each row counts, 1 on average."""
        if self.weights is None:
            return np.ones(len(self.actual))
        return self.weights / self.weights.mean()

    @property
    def n_independent(self) -> int:
        """How many observations the rows are."""
        return count_independent(self.groups, len(self.actual))

    def take(self, rows: NDArray[Any]) -> "Predictions":
        """Some of the rows, by position or by a mask (B,)."""
        plain = ("positive", "levels", "costs", "targets")
        names = (field.name for field in dataclasses.fields(self) if field.name not in plain)
        values = {name: getattr(self, name) for name in names}
        taken = {name: value[rows] for name, value in values.items() if value is not None}
        return dataclasses.replace(self, **taken)

    def row_losses(self, metric: str) -> Floats:
        """(B,) loss of each row, whose mean is the metric (for rmse, its square); lower is better.

        Metrics: log_loss, accuracy (1 where wrong), brier (squared error of the probabilities),
        rmse (squared error), r2 (squared error over the variance of these rows, whose mean is 1 -
        r2), mae (absolute error), pinball (mean quantile loss over the levels), mean_cost (by the
        costs of the classes). Of several targets the mean over these.
        """
        if self.targets:
            return np.mean([part.row_losses(metric) for part in self.parts], axis=0)
        if metric == "mean_cost":
            assert self.costs is not None
            # A class that the target no longer has, -1, is as bad as the worst mistake.
            with_other = np.hstack([self.costs, self.costs.max(axis=1, keepdims=True)])
            return with_other[self.actual.astype(np.int64), self.predicted.astype(np.int64)]
        if metric == "log_loss":
            assert self.probabilities is not None
            rows = np.arange(len(self.actual))
            chosen = self.probabilities[rows, self.actual.astype(np.int64)]
            return -np.log(np.clip(chosen, np.finfo(np.float64).tiny, None))
        if metric == "accuracy":
            return (self.actual != self.predicted).astype(np.float64)
        if metric == "brier":
            assert self.probabilities is not None
            if self.probabilities.shape[1] == 2:
                return np.square(self.probabilities[:, 1] - self.actual)
            truth = self.actual[:, None] == np.arange(self.probabilities.shape[1])
            return np.square(self.probabilities - truth).sum(axis=1)
        if metric == "pinball":
            assert self.quantiles is not None
            gaps = self.actual[:, None] - self.quantiles
            shares = np.asarray(self.levels)
            return np.maximum(shares * gaps, (shares - 1) * gaps).mean(axis=1)
        difference = (self.actual - self.predicted).astype(np.float64)
        if metric == "mae":
            return np.abs(difference)
        squares = np.square(difference)
        return squares if metric == "rmse" else squares / (float(np.var(self.actual)) or 1.0)


def judged_by(predictions: Predictions) -> str:
    """The metric whose row losses say whether a model is better than another."""
    if predictions.probabilities is None:
        return "r2" if predictions.targets else "rmse"
    return "log_loss" if predictions.costs is None else "mean_cost"


def softmax(logits: NDArray[np.floating]) -> Floats:
    """(B, K) -> (B, K), in float64, rows sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def classify(logits: NDArray[np.floating], actual: Ints) -> Predictions:
    """Logits (B, K) and class indices (B,) to predictions."""
    probabilities = softmax(logits)
    return Predictions(actual, probabilities.argmax(axis=1), probabilities)
