"""Conformal prediction: intervals of numbers, sets of classes, with a known coverage.

Whatever the network, a share `coverage` of new rows that are like the validation rows has its true
value within its region. Sources: Vovk et al., Algorithmic Learning in a Random World (2005); Romano
et al., Conformalized Quantile Regression (2019); Sadinle et al., Least Ambiguous Set-Valued
Classifiers (2019).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.evaluation.conformal_folds import FoldScores, fit_folds
from layerline.evaluation.conformal_groups import Groups
from layerline.evaluation.predictions import Floats, Ints
from layerline.scaling.preprocessing.target_transforms import TargetCurve


@dataclasses.dataclass(frozen=True)
class Conformal:
    """What turns predictions into regions: every value whose score is at most `score`.

    The score of a number is its distance from the prediction, or from the nearer of the outer
    quantiles, before the target's curve is inverted; that of a class is 1 - its probability. With
    `groups` a row, or a class, has the score of its group; `x` (B, F) are the network's inputs.
    With `folds` the answers of each fold (`by_fold`) have the scores of its rows; without these
    answers `score` is the margin.
    """

    coverage: float
    score: float
    groups: Groups | None = None
    folds: FoldScores | None = None

    def _margins(self, x: NDArray[np.floating] | None) -> Floats | float:
        return self.score if self.groups is None else self.groups.margins(x, self.score)

    def intervals(
        self,
        numbers: Floats,
        curve: TargetCurve,
        x: NDArray[np.floating] | None = None,
        by_fold: Sequence[Floats] | None = None,
    ) -> Floats:
        """(B, 1) predictions or (B, Q) quantiles on the curve -> (B, 2) in the user's unit."""
        if self.folds is not None and by_fold is not None:
            bounds = self.folds.intervals(by_fold)
        else:
            margins = self._margins(x)
            bounds = np.hstack([numbers[:, :1] - margins, numbers[:, -1:] + margins])
        return curve.restore(np.sort(bounds, axis=1))  # narrowed quantiles may cross

    def sets(
        self,
        probabilities: Floats,
        predicted: Ints,
        x: NDArray[np.floating] | None = None,
        by_fold: Sequence[Floats] | None = None,
    ) -> NDArray[np.bool_]:
        """(B, K) probabilities, (B,) predicted class -> (B, K), whether a class is in the set.

        The predicted class always is: sets are never empty.
        """
        if self.folds is not None and by_fold is not None:
            is_in = self.folds.sets(by_fold)
        else:
            is_in = 1 - probabilities <= self._margins(x)
        return is_in | (np.arange(probabilities.shape[1]) == predicted[:, None])

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        state = dataclasses.asdict(self)
        return {name: value for name, value in state.items() if value is not None}

    @classmethod
    def from_json(cls, state: Mapping[str, Any] | None) -> "Conformal | None":
        """The inverse of `to_json`; None where there is none."""
        if state is None:
            return None
        groups, folds = state.get("groups"), state.get("folds")
        return cls(
            float(state["coverage"]),
            float(state["score"]),
            None if groups is None else Groups.from_json(groups),
            None if folds is None else FoldScores.from_json(folds),
        )

    def grouped(
        self, groups: Groups, scores: Floats, places: Ints, weights: Floats | None = None
    ) -> "Conformal":
        """With a score for each group; `places` (B,) say to which one a row belongs."""

        def quantile(is_in: NDArray[np.bool_]) -> float:
            own = None if weights is None else weights[is_in]
            return _quantile(scores[is_in], self.coverage, own)

        return dataclasses.replace(self, groups=groups.fit(places, quantile))

    def folded(
        self, scores: Floats, folds: Ints, members: Sequence[Mapping[str, Any]]
    ) -> "Conformal":
        """By CV+, from scores (B,) of rows that the `folds` (B,) held out: `fit_folds`."""
        rank = _rank(len(scores), self.coverage)
        return dataclasses.replace(self, folds=fit_folds(scores, folds, members, rank))


def interval_scores(numbers: Floats, actual: Floats) -> Floats:
    """(B,) of (B, 1) or (B, Q) predictions and (B,) truths, both on the curve."""
    return np.maximum(numbers[:, 0] - actual, actual - numbers[:, -1])


def set_scores(probabilities: Floats, actual: Ints) -> Floats:
    """(B,) of (B, K) probabilities and (B,) true classes."""
    return 1 - probabilities[np.arange(len(actual)), actual]


def fit_conformal(scores: Floats, coverage: float, weights: Floats | None = None) -> Conformal:
    """From the scores (B,) of rows that the network did not learn from, and what they count (B,).

    Raises:
        ParamsError: too few rows for the coverage.
    """
    return Conformal(coverage, _quantile(scores, coverage, weights))


def _quantile(scores: Floats, coverage: float, weights: Floats | None) -> float:
    """The smallest score that covers a new row: rank (n + 1) * coverage, rounded up, of n.

    With weights the rank is a sum of them, and the new row has their mean.
    Source: Tibshirani et al., Conformal Prediction Under Covariate Shift (2019), equation 7.
    """
    n_rows = len(scores)
    rank = _rank(n_rows, coverage)
    if rank > n_rows:
        least = math.ceil(round(coverage / (1 - coverage), 9))
        message = (
            f"{coverage:g} takes at least {least} validation rows, there are {n_rows}; lower it, "
            "or raise scale.split.valid"
        )
        raise ParamsError([Problem("evaluate.conformal", message)])
    if weights is None:
        return float(np.sort(scores)[rank - 1])
    order = np.argsort(scores, kind="stable")
    ranks = np.cumsum(weights[order] / weights.mean())
    place = np.searchsorted(ranks, (n_rows + 1) * coverage - 1e-9)
    return float(scores[order[min(int(place), n_rows - 1)]])


def _rank(n_rows: int, coverage: float) -> int:
    return math.ceil(round((n_rows + 1) * coverage, 9))
