"""Split conformal prediction: intervals of numbers, sets of classes, with a known coverage.

Whatever the network, a share `coverage` of new rows that are like the validation rows has its true
value within its region. Sources: Vovk et al., Algorithmic Learning in a Random World (2005); Romano
et al., Conformalized Quantile Regression (2019); Sadinle et al., Least Ambiguous Set-Valued
Classifiers (2019).
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.evaluation.predictions import Floats, Ints
from layerline.scaling.preprocessing.target_transforms import TargetCurve


@dataclasses.dataclass(frozen=True)
class Conformal:
    """What turns predictions into regions: every value whose score is at most `score`.

    The score of a number is its distance from the prediction, or from the nearer of the outer
    quantiles, before the target's curve is inverted; that of a class is 1 - its probability.
    """

    coverage: float
    score: float

    def intervals(self, numbers: Floats, curve: TargetCurve) -> Floats:
        """(B, 1) predictions or (B, Q) quantiles on the curve -> (B, 2) in the user's unit."""
        bounds = np.stack([numbers[:, 0] - self.score, numbers[:, -1] + self.score], axis=1)
        return curve.restore(np.sort(bounds, axis=1))  # narrowed quantiles may cross

    def sets(self, probabilities: Floats, predicted: Ints) -> NDArray[np.bool_]:
        """(B, K) probabilities, (B,) predicted class -> (B, K), whether a class is in the set.

        The predicted class always is: sets are never empty.
        """
        return (1 - probabilities <= self.score) | (
            np.arange(probabilities.shape[1]) == predicted[:, None]
        )

    def to_json(self) -> dict[str, float]:
        """Its whole state."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any] | None) -> "Conformal | None":
        """The inverse of `to_json`; None where there is none."""
        return None if state is None else cls(float(state["coverage"]), float(state["score"]))


def fit_intervals(numbers: Floats, actual: Floats, coverage: float) -> Conformal:
    """From validation rows: (B, 1) or (B, Q) predictions and (B,) truths, both on the curve.

    Raises:
        ParamsError: too few rows for the coverage.
    """
    outside = np.maximum(numbers[:, 0] - actual, actual - numbers[:, -1])
    return Conformal(coverage, _quantile(outside, coverage))


def fit_sets(probabilities: Floats, actual: Ints, coverage: float) -> Conformal:
    """From validation rows: (B, K) probabilities and (B,) true classes.

    Raises:
        ParamsError: too few rows for the coverage.
    """
    own = probabilities[np.arange(len(actual)), actual]
    return Conformal(coverage, _quantile(1 - own, coverage))


def _quantile(scores: Floats, coverage: float) -> float:
    """The smallest score that covers a new row: rank (n + 1) * coverage, rounded up, of n."""
    n_rows = len(scores)
    rank = math.ceil(round((n_rows + 1) * coverage, 9))
    if rank > n_rows:
        least = math.ceil(round(coverage / (1 - coverage), 9))
        message = (
            f"{coverage:g} takes at least {least} validation rows, there are {n_rows}; lower it, "
            "or raise scale.split.valid"
        )
        raise ParamsError([Problem("evaluate.conformal", message)])
    return float(np.sort(scores)[rank - 1])
