"""From a network's outputs to the prediction: identity for most losses, a link for some.

A link is what a loss makes of the outputs. While training it ends in the target's standardised
units, as the rows' targets are; `numbers` ends in the user's. `to_json` is for the network's spec,
since a prediction needs the link as much as the weights.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerline.training.objectives.target_statistics import TargetFacts

_LARGEST_LOG = 700.0  # beyond it exp is infinite, or 0, in float64
Unit = float | NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Link:
    """`name` is identity, log (of `factor` counts, moved by `shift`), or quantile (of `levels`).

    Of several labels it is logistic: a logit each.
    """

    name: str = "identity"
    factor: float = 1.0
    shift: float = 0.0
    levels: tuple[float, ...] = ()

    def __call__(self, outputs: Tensor) -> Tensor:
        """Outputs (B, O) -> the prediction (B, 1), standardised; logits of classes as they are.

        Of several targets (B, T); of labels their probabilities.
        """
        if self.name == "log":
            return outputs.exp() * self.factor + self.shift
        if self.name == "logistic":
            return outputs.sigmoid()
        if self.name == "quantile":
            return self.quantiles(outputs)[:, self.middle : self.middle + 1]
        return outputs

    @property
    def middle(self) -> int:
        """Which of a row's `numbers` is the prediction: the median, where there are several."""
        return self.levels.index(0.5) if len(self.levels) > 1 else 0

    def numbers(
        self, outputs: NDArray[np.float32], center: Unit, scale: Unit
    ) -> NDArray[np.float64]:
        """Outputs (B, O) -> (B, 1) in the user's unit; of quantiles (B, Q), which never fall.

        Of several targets (B, T), each with its own `center` and `scale` (T,).

        Counts are above 0: `shift` stands for `center`, so only the exponential is left, which
        adding and taking away `center` would round to 0 or below.
        """
        values = outputs.astype(np.float64)
        if self.name == "logistic":
            return 1 / (1 + np.exp(np.clip(-values, None, _LARGEST_LOG)))
        if self.name == "log":
            return np.exp(np.clip(values, -_LARGEST_LOG, _LARGEST_LOG)) * (self.factor * scale)
        if self.name == "quantile":
            values = np.sort(values, axis=1)
        return values * scale + center

    def quantiles(self, outputs: Tensor) -> Tensor:
        """Outputs (B, Q) in rising order: independent quantiles may cross.

        Source: Chernozhukov, Fernández-Val, Galichon, Quantile and Probability Curves Without
        Crossing (2010).
        """
        return torch.sort(outputs, dim=1).values

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the fields' order."""
        return {**dataclasses.asdict(self), "levels": list(self.levels)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Link":
        """The link that `to_json` described."""
        return cls(**{**state, "levels": tuple(state["levels"])})


IDENTITY = Link()
LOGISTIC = Link("logistic")


def read_link(state: Mapping[str, Any] | None) -> Link:
    """The link of a network's spec; None is the identity."""
    return IDENTITY if state is None else Link.from_json(state)


def log_link(facts: TargetFacts) -> Link:
    """exp(output) mean counts, in standardised units."""
    return Link("log", mean_count(facts) / facts.scale, -facts.center / facts.scale)


def quantile_link(levels: tuple[float, ...]) -> Link:
    """The median of several quantiles, or the only one."""
    return Link("quantile", levels=levels)


def mean_count(facts: TargetFacts) -> float:
    """The train rows' mean, which standardising knows; 1 for targets left as they are."""
    return facts.center if facts.center > 0 else 1.0
