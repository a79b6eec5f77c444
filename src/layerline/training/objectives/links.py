"""From a network's outputs to the prediction: identity for most losses, a link for some.

A link is what a loss makes of the outputs. It ends in the target's standardised units, so that
whoever reads predictions goes on as before: `standardised * scale + center`. `to_json` is for the
network's spec, since a prediction needs the link as much as the weights.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from layerline.training.objectives.targets import TargetFacts


@dataclasses.dataclass(frozen=True)
class Link:
    """`name` is identity, log (of `factor` counts, moved by `shift`), or quantile (of `levels`)."""

    name: str = "identity"
    factor: float = 1.0
    shift: float = 0.0
    levels: tuple[float, ...] = ()

    def __call__(self, outputs: Tensor) -> Tensor:
        """Outputs (B, O) -> the prediction (B, 1), standardised; logits pass as they are."""
        if self.name == "log":
            return outputs.exp() * self.factor + self.shift
        if self.name == "quantile":
            middle = self.levels.index(0.5) if len(self.levels) > 1 else 0
            return self.quantiles(outputs)[:, middle : middle + 1]
        return outputs

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
        """The link that `to_json` told of."""
        return cls(**{**state, "levels": tuple(state["levels"])})


IDENTITY = Link()


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
