"""What the members of one training differ in: seeds, and settings drawn from `train.members`."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from layerline.config import Axis, Component, RangeSection, TrainSection
from layerline.config.dotted_paths import with_values

DROPOUT, EDGES = "options.dropout", "options.numeric_embeddings.edges"
RATE, DECAY = "optimizer.learning_rate", "optimizer.weight_decay"


@dataclasses.dataclass(frozen=True)
class MemberSettings:
    """One member: its seed, the section `train` as it is for it, and what was drawn."""

    seed: int
    section: TrainSection
    drawn: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def stack_key(self) -> str:
        """Equal for members whose networks can be one stack, as far as settings decide it."""
        options = dict(self.section.options)
        if isinstance(options.get("dropout"), int | float):
            options["dropout"] = options["dropout"] > 0  # without dropout there is no such layer
        return json.dumps(options, sort_keys=True, default=str)


def draw_members(section: TrainSection, seed: int) -> list[MemberSettings]:
    """The settings of all members: seeds `seed`, `seed + 1`, ...; one where none are asked for.

    With folds alone they are as many, of equal settings.

    Each path of the space is cut into as many equal parts as there are members, and each member
    draws from another part, so that few members cover it.

    Source: McKay, Beckman, Conover (1979), Latin hypercube sampling.
    """
    if section.members is None:
        return [MemberSettings(seed + number, section) for number in range(section.folds or 1)]
    count, space = section.members.count, section.members.space
    random = np.random.default_rng([seed, count])
    drawn: list[dict[str, Any]] = [{} for _ in range(count)]
    for path, axis in (default_space(section) if space is None else space).items():
        places = (random.permutation(count) + random.uniform(size=count)) / count
        for values, place in zip(drawn, places, strict=True):
            values[path] = _at(axis, float(place))
    return [
        MemberSettings(seed + number, _changed(section, values), values)
        for number, values in enumerate(drawn)
    ]


def default_space(section: TrainSection) -> dict[str, Axis]:
    """Around what params.yaml has: rates, more decay and dropout than a single network, and bins.

    benchmarks/results/tables.md has what was tried.
    """
    space: dict[str, Axis] = {}
    for path, low, high in ((RATE, 0.5, 2.0), (DECAY, 0.3, 30.0)):
        value = section.optimizer.options.get(path.removeprefix("optimizer."))
        if isinstance(value, int | float) and value > 0:
            space[path] = RangeSection(low=value * low, high=value * high, log=True)
    dropout = section.options.get("dropout")
    if isinstance(dropout, int | float) and dropout > 0:
        space[DROPOUT] = RangeSection(low=dropout / 2, high=min(3.5 * dropout, 0.9))
    numbers = section.options.get("numeric_embeddings")
    if isinstance(numbers, Mapping) and numbers.get("name") == "piecewise_linear":
        space[EDGES] = ["normal", "quantile"]
    return space


def _at(axis: Axis, place: float) -> Any:
    """The value at a place from 0 to 1; numbers have four digits, as one would write them."""
    if not isinstance(axis, RangeSection):
        return axis[min(int(place * len(axis)), len(axis) - 1)]
    if axis.log:
        low, high = math.log(axis.low), math.log(axis.high)
        return float(f"{math.exp(low + place * (high - low)):.4g}")
    return float(f"{axis.low + place * (axis.high - axis.low):.4g}")


def _changed(section: TrainSection, values: Mapping[str, Any]) -> TrainSection:
    """The section with other values at paths below `options` and `optimizer`."""
    own = {"options": section.options, "optimizer": section.optimizer.options}
    changed = with_values(own, values)
    optimizer = Component(name=section.optimizer.name, options=changed["optimizer"])
    return dataclasses.replace(section, options=changed["options"], optimizer=optimizer)
