"""Categorical columns, fitted: levels as features, as codes for embeddings, or as target means.

`build` of a line of ENCODERS takes a train column (B,), the encoded targets y (B, M) and its own
options, and returns a frozen `Category`. To add one: a function, and a line in ENCODERS.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Concatenate, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from layerline.config import ScaleSection
from layerline.lookup import read_choices
from layerline.scaling.preprocessing.categories import BOTH, CODE, MISSING, VALUES, Category
from layerline.scaling.preprocessing.scalers import Matrix

Count = Annotated[
    int, Field(ge=1, description="Levels with fewer train rows become one rare level.")
]
Limit = Annotated[
    Annotated[int, Field(ge=2)] | None,
    Field(description="The most levels; all but the most common become one rare level."),
]
Smooth = Literal["auto"] | Annotated[float, Field(ge=0)]


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A line of the table: a train column (B,), targets (B, M) and options -> the frozen form.

    Attributes:
        needs_target: y holds the targets; for others it is (B, 0).
    """

    build: Callable[Concatenate[pd.Series, Matrix, ...], Category]
    needs_target: bool = False


def one_hot(
    column: pd.Series, y: Matrix, *, min_count: Count = 1, max_levels: Limit = None
) -> Category:
    """A feature a level. Source: sklearn.preprocessing.OneHotEncoder, infrequent_if_exist."""
    levels, rare = _find_levels(column, min_count, max_levels)
    return Category(str(column.name), levels, rare)


def embedding(
    column: pd.Series, y: Matrix, *, min_count: Count = 1, max_levels: Limit = None
) -> Category:
    """A code a level, for networks with embeddings; the last code is for what is rare or new."""
    levels, rare = _find_levels(column, min_count, max_levels)
    return Category(str(column.name), levels, rare, CODE)


def target(
    column: pd.Series,
    y: Matrix,
    *,
    min_count: Count = 1,
    max_levels: Limit = None,
    smooth: Smooth = "auto",
) -> Category:
    """The target's mean for each level, drawn to the mean of all where there are few rows.

    Options:
        smooth: how many rows the mean of all counts as, beside a level's own; auto: by the variance
            within and between levels.

    Source: Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes
    (2001); sklearn.preprocessing.TargetEncoder.
    """
    levels, rare = _find_levels(column, min_count, max_levels)
    category = Category(str(column.name), levels, rare, VALUES)
    return with_values(category, column, y, smooth)


def one_hot_target(
    column: pd.Series,
    y: Matrix,
    *,
    min_count: Count = 1,
    max_levels: Limit = None,
    smooth: Smooth = "auto",
) -> Category:
    """A feature a level, and beside them the target's mean for the level, as `target` has it.

    Options:
        smooth: how many rows the mean of all counts as, beside a level's own; auto: by the variance
            within and between levels.
    """
    levels, rare = _find_levels(column, min_count, max_levels)
    return with_values(Category(str(column.name), levels, rare, BOTH), column, y, smooth)


ENCODERS: Mapping[str, Encoder] = {
    "one_hot": Encoder(one_hot),
    "embedding": Encoder(embedding),
    "target": Encoder(target, needs_target=True),
    "one_hot_target": Encoder(one_hot_target, needs_target=True),
}


def _find_levels(
    column: pd.Series, min_count: int, max_levels: int | None
) -> tuple[tuple[Any, ...], bool]:
    """The levels that stand alone, a gap last; and whether others are put together as rare.

    `max_levels` counts the one for the rare levels; a gap is no level here.
    """
    counts = column.value_counts(dropna=True)
    counts = counts[counts > 0]
    levels = sorted(counts.index.tolist(), key=lambda level: (str(type(level)), level))
    kept = [level for level in levels if counts[level] >= min_count]
    if max_levels is not None and len(kept) + (len(kept) < len(levels)) > max_levels:
        # The first of several equally rare ones goes first, as scikit-learn has it.
        commonest = sorted(kept, key=lambda level: counts[level])[-(max_levels - 1) :]
        kept = [level for level in kept if level in set(commonest)]
    gap = [MISSING] if column.isna().any() else []
    return (*kept, *gap), len(kept) < len(levels)


def with_values(
    category: Category, column: pd.Series, y: Matrix, smooth: str | float = "auto"
) -> Category:
    """The category with a table of target means: (B,) and y (B, M) -> (levels + 1, M).

    Before them are the levels themselves, where its encoding has both.
    """
    from sklearn.preprocessing import TargetEncoder

    places = category.places(column)[:, None]
    known = [np.arange(category.n_places)]
    means = [
        TargetEncoder(categories=known, target_type="continuous", smooth=smooth)
        .fit(places, y[:, k])
        .encodings_[0]
        for k in range(y.shape[1])
    ]
    levels = [np.eye(category.n_places)] if category.encoding == BOTH else []
    table = np.concatenate([*levels, np.stack(means, axis=1)], axis=1)
    return dataclasses.replace(category, values=tuple(map(tuple, table.tolist())))


def smooth_of(section: ScaleSection, column: str) -> str | float:
    """How strongly this column's target means are drawn to the mean of all."""
    choice = read_choices(section.categorical, "one_hot").of(column)
    smooth: str | float = choice.options.get("smooth", "auto")
    return smooth


def target_columns(y: NDArray[Any], n_classes: int | None) -> Matrix:
    """Encoded targets (B,) -> (B, M): numbers, or a class's membership; one column for two."""
    if n_classes is None:
        return y[:, None].astype(np.float64)
    classes = np.arange(1, 2) if n_classes == 2 else np.arange(n_classes)
    return (y[:, None] == classes).astype(np.float64)
