"""From outputs to a prediction: temperature and binary threshold of classes, conformal regions.

The decision is saved as decision.json, a file of the model. Without it, a model predicts the class
with the highest softmax probability.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import read_json, write_json
from layerline.errors import SourceError
from layerline.evaluation.conformal import Conformal
from layerline.evaluation.predictions import UNKNOWN, Floats, Ints, Predictions, softmax
from layerline.scaling.preprocessing.target_transforms import TargetCurve

if TYPE_CHECKING:  # it imports torch
    from layerline.training.objectives.links import Link

DECISION = "decision.json"


@dataclasses.dataclass(frozen=True)
class Decision:
    """How logits become a prediction.

    The logits are divided by `temperature`. With a `threshold`, a row of a binary task gets the
    class `positive` (an index) where its probability is at least the threshold, else the other.
    With `costs` (K, K), by true and predicted class, a row gets the class with the lowest expected
    cost. `conformal` adds regions to the predictions.
    """

    temperature: float = 1.0
    threshold: float | None = None
    positive: int = 1
    conformal: Conformal | None = None
    costs: tuple[tuple[float, ...], ...] | None = None

    @functools.cached_property
    def matrix(self) -> Floats | None:
        """`costs` as an array."""
        return None if self.costs is None else np.asarray(self.costs, dtype=np.float64)

    def _merits(self, probabilities: Floats) -> Floats:
        """(B, K) by which a class is chosen, off by no more than a probability may be."""
        if self.matrix is None:
            return probabilities
        return -(probabilities @ self.matrix) / self.matrix.sum(axis=0).max()

    def probabilities(self, logits: NDArray[np.floating]) -> Floats:
        """(B, K) logits -> (B, K) float64, rows sum to 1."""
        if self.temperature == 1.0:
            return softmax(logits)
        return softmax(logits.astype(np.float64) / self.temperature)

    def choose(self, probabilities: Floats) -> Ints:
        """(B, K) probabilities -> (B,) class index."""
        if self.threshold is None:
            return self._merits(probabilities).argmax(axis=1)
        is_positive = probabilities[:, self.positive] >= self.threshold
        return np.where(is_positive, self.positive, 1 - self.positive)

    def margins(self, probabilities: Floats) -> Floats:
        """(B,) distance of each row's probabilities from the decision boundary."""
        if self.threshold is not None:
            return np.abs(probabilities[:, self.positive] - self.threshold)
        ordered = np.sort(self._merits(probabilities), axis=1)
        return ordered[:, -1] - ordered[:, -2]

    def classify(
        self,
        logits: NDArray[np.floating],
        actual: Ints = UNKNOWN,
        x: NDArray[np.floating] | None = None,
        by_fold: Sequence[NDArray[np.floating]] | None = None,
    ) -> Predictions:
        """Logits (B, K) and class indices (B,) to predictions; `x` are the network's inputs.

        `by_fold` are the logits (B, K) of each fold's networks, for regions by CV+.
        """
        probabilities = self.probabilities(logits)
        chosen = self.choose(probabilities)
        regions = None
        if (fitted := self.conformal) is not None:
            of_folds = None if by_fold is None else [self.probabilities(own) for own in by_fold]
            regions = fitted.sets(probabilities, chosen, x, of_folds)
        return Predictions(
            actual,
            chosen,
            probabilities,
            positive=self.positive,
            regions=regions,
            costs=self.matrix,
        )

    def decide_numbers(
        self,
        on_curve: Floats,
        link: "Link",
        curve: TargetCurve,
        actual: Floats | Ints = UNKNOWN,
        x: NDArray[np.floating] | None = None,
        by_fold: Sequence[Floats] | None = None,
    ) -> Predictions:
        """`Link.numbers` (B, 1) or (B, Q), on the target's curve, to predictions."""
        numbers, fitted = curve.restore(on_curve), self.conformal
        return Predictions(
            actual,
            numbers[:, link.middle],
            quantiles=numbers if link.levels else None,
            levels=link.levels,
            regions=None if fitted is None else fitted.intervals(on_curve, curve, x, by_fold),
        )

    def to_json(self, classes: Sequence[Any] | None) -> dict[str, Any]:
        """As decision.json holds it: `positive` is the class's own label, null without one."""
        binary = classes is not None and len(classes) == 2
        return {
            "temperature": self.temperature,
            "threshold": self.threshold,
            "positive": classes[self.positive] if binary and classes is not None else None,
            **({} if self.conformal is None else {"conformal": self.conformal.to_json()}),
            **({} if self.costs is None else {"costs": list(map(list, self.costs))}),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any], classes: Sequence[Any] | None) -> "Decision":
        """The inverse of `to_json`."""
        positive, known = state["positive"], tuple(classes or ())
        index = known.index(positive) if positive in known else 1
        conformal = Conformal.from_json(state.get("conformal"))
        given = state.get("costs")
        costs = None if given is None else tuple(tuple(map(float, row)) for row in given)
        return cls(float(state["temperature"]), state["threshold"], index, conformal, costs)


PLAIN = Decision()


def write_decision(folder: Path, decision: Decision, classes: Sequence[Any] | None) -> None:
    """Write decision.json into `folder`."""
    write_json(folder / DECISION, decision.to_json(classes))


def read_decision(folder: Path, classes: Sequence[Any] | None) -> Decision:
    """Read decision.json of `folder`; without the file, the default decision.

    Raises:
        SourceError: the file is not a decision.
    """
    path = folder / DECISION
    if not path.exists():
        return PLAIN
    try:
        return Decision.from_json(read_json(path), classes)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: not a valid decision ({error!r}); run `dvc repro`") from None
