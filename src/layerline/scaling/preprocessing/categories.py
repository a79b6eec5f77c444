"""Categorical columns, frozen: levels as features, as codes for embeddings, or as numbers.

A level has a place: its position in `levels`, or the one after them for what is rare or was never
seen. To add an encoding: its features, and what `apply` makes of the places.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.scaling.preprocessing.scalers import Matrix

MISSING = None  # the level of a gap, as JSON has it
ONE_HOT, CODE, VALUES = "one_hot", "code", "values"
BOTH = "one_hot_values"  # a table whose first columns are the levels


@dataclasses.dataclass(frozen=True)
class Category:
    """One categorical column.

    encoding: `one_hot` is one feature a level (and one for `rare`; without it what is new gives all
    zeros), `code` the place itself, `values` the place's row of a table (levels + 1, M), of which
    `one_hot_values` has a column a place before them.
    """

    name: str
    levels: tuple[Any, ...]
    rare: bool = False  # rare levels share one place; unseen levels go there
    encoding: str = ONE_HOT
    values: tuple[tuple[float, ...], ...] = ()

    @property
    def is_code(self) -> bool:
        """Whether its feature is for a network's embedding."""
        return self.encoding == CODE

    @property
    def is_table(self) -> bool:
        """Whether its features are a row of `values`."""
        return self.encoding in (VALUES, BOTH)

    @property
    def n_places(self) -> int:
        """The levels, and the place of what is rare or new where there is one."""
        has_more = self.rare or self.encoding != ONE_HOT
        return len(self.levels) + has_more

    def places(self, column: pd.Series) -> NDArray[np.int64]:
        """(B,) place of each value; -1 where it has none."""
        places = codes_of(column, self.levels)
        if self.n_places > len(self.levels):
            places[places < 0] = len(self.levels)
        return places

    def apply(self, column: pd.Series) -> Matrix:
        """(B,) -> (B, features)."""
        places = self.places(column)
        if self.is_code:
            return places[:, None].astype(np.float64)
        if self.is_table:
            return np.asarray(self.values)[places]
        return (places[:, None] == np.arange(self.n_places)).astype(np.float64)

    @property
    def features(self) -> list[str]:
        if self.is_code:
            return [self.name]
        names = [
            f"{self.name} is missing" if level is MISSING else f"{self.name}={level}"
            for level in self.levels
        ]
        if self.n_places > len(names):
            names.append(f"{self.name} is {'rare' if self.rare else 'new'}")
        if not self.is_table:
            return names
        names = names if self.encoding == BOTH else []
        width = len(self.values[0]) - len(names)
        means = [f"{self.name} by target" + (f" {k}" if width > 1 else "") for k in range(width)]
        return [*names, *means]

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Category":
        """The inverse of `dataclasses.asdict`; older states have a name and levels only."""
        values = tuple(map(tuple, state.get("values", ())))
        return cls(**{**state, "levels": tuple(state["levels"]), "values": values})


def codes_of(column: pd.Series, levels: Sequence[Any]) -> NDArray[np.int64]:
    """(B,) position of each value in `levels`; -1 where it is none of them."""
    index = {level: position for position, level in enumerate(levels)}
    found, uniques = pd.factorize(column.astype(object))
    known = [index.get(value, -1) for value in uniques.tolist()]
    return np.array([*known, index.get(MISSING, -1)], dtype=np.int64)[found]
