"""The section on several networks of one training: train.members."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION


@dataclass(frozen=True, kw_only=True, config=SECTION)
class RangeSection:
    """Numbers between two bounds."""

    low: Annotated[float, Field(examples=[0.1])]
    """The lower bound."""
    high: Annotated[float, Field(examples=[0.5])]
    """The upper bound."""
    log: bool = False
    """Whether they are spread evenly over their logarithms."""

    @model_validator(mode="after")
    def _rising(self) -> "RangeSection":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("needs low < high, and low > 0 with log: true")
        return self


Axis = RangeSection | Annotated[list[Any], Field(min_length=1)]
AxisPath = Annotated[str, Field(pattern=r"^(options|optimizer)\.[\w.]+$")]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class MembersSection:
    """Several networks of one training, and what is kept of them: docs/training.md."""

    count: Annotated[int, Field(ge=2, le=1000)] = 4
    """How many networks are trained."""
    keep: Literal["greedy", "all", "best"] = "greedy"
    """What is kept: members chosen by the validation rows, with weights; their mean; the best."""
    distil: bool = False
    """Whether one network learns the ensemble's answers, and is kept where it is nearly as good."""
    space: dict[AxisPath, Axis] | None = None
    """What a member draws its own value of: paths below train, `options.NAME` or
    `optimizer.NAME`, each with a list of values or a range; null: a space around the values of
    params.yaml; {}: members differ in their seeds alone."""

    @model_validator(mode="after")
    def _an_ensemble_to_learn_from(self) -> "MembersSection":
        if self.distil and self.keep == "best":
            raise ValueError("keep: best leaves one network, and distil needs several; keep one")
        return self
