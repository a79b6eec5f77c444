"""Categorical and date columns, fitted.

An entry of ENCODERS takes a train column (B,), the encoded targets y (B, M) and its own options,
and returns a `Category`. An entry of DATES takes a train column and returns which parts and cycles
it becomes. To add one: write the function, add one line.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from layerline.config import ScaleSection
from layerline.lookup import Choice, read_choices
from layerline.scaling.preprocessing.categories import CODE, MISSING, VALUES, Category
from layerline.scaling.preprocessing.dates import Dates, part_values, plain_dates
from layerline.scaling.preprocessing.imputers import build, fit_values
from layerline.scaling.preprocessing.numbers import Numbers, Scaled
from layerline.scaling.preprocessing.transforms import Matrix

Count = Annotated[int, Field(ge=1)]
Limit = Annotated[int, Field(ge=2)] | None
Smooth = Literal["auto"] | Annotated[float, Field(ge=0)]


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

    Source: Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes
    (2001); sklearn.preprocessing.TargetEncoder.
    """
    levels, rare = _find_levels(column, min_count, max_levels)
    category = Category(str(column.name), levels, rare, VALUES)
    return with_values(category, column, y, smooth)


ENCODERS: dict[str, Callable[..., Category]] = {
    "one_hot": one_hot,
    "embedding": embedding,
    "target": target,
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
    """The category with a table of target means: (B,) and y (B, M) -> (levels + 1, M)."""
    from sklearn.preprocessing import TargetEncoder

    places = category.places(column)[:, None]
    known = [np.arange(category.n_places)]
    means = [
        TargetEncoder(categories=known, target_type="continuous", smooth=smooth)
        .fit(places, y[:, k])
        .encodings_[0]
        for k in range(y.shape[1])
    ]
    return dataclasses.replace(category, values=tuple(map(tuple, np.stack(means, axis=1).tolist())))


def smooth_of(section: ScaleSection, column: str) -> str | float:
    """How strongly this column's target means are drawn to the mean of all."""
    choice = read_choices(section.categorical, "one_hot").of(column)
    smooth: str | float = choice.options.get("smooth", "auto")
    return smooth


Parts = tuple[tuple[str, ...], tuple[str, ...]]


def days(column: pd.Series) -> Parts:
    """Days since 1970, the time of day as a fraction: a trend, and nothing that comes back."""
    return ("days",), ()


def parts(column: pd.Series) -> Parts:
    """Year, month, day, weekday; the hour where there are times of day."""
    return ("year", "month", "day", "weekday", *(("hour",) if _has_times(column) else ())), ()


def cyclic(column: pd.Series) -> Parts:
    """Days since 1970, and cosine and sine of the time of year, of the week, and of the day."""
    return ("days",), ("year", "week", *(("day",) if _has_times(column) else ()))


def _has_times(column: pd.Series) -> bool:
    dates = plain_dates(column).dropna()
    return bool((dates != dates.dt.normalize()).any())


DATES: dict[str, Callable[..., Parts]] = {"days": days, "parts": parts, "cyclic": cyclic}


def fit_dates(column: pd.Series, choice: Choice, section: ScaleSection) -> Dates:
    """Fit one date column; its parts are filled and scaled as numbers are.

    Raises:
        DataError: it has no value in any train row.
    """
    name = str(column.name)
    names, cycles = build(DATES, choice, "scale.dates")(column)
    values = part_values(plain_dates(column), names)
    missing = read_choices(section.missing, "median").of(name)
    numeric = read_choices(section.numeric, "standard").of(name)
    fill, transform = fit_values(values, [name] * len(names), missing, numeric)
    is_marked = section.missing_indicator and bool(np.isnan(values).any())
    scaled = (Scaled(tuple(range(len(names))), transform),)
    numbers = Numbers(names, tuple(fill.tolist()), scaled, names[:1] if is_marked else ())
    return Dates(name, numbers, cycles)


def target_columns(y: NDArray[Any], n_classes: int | None) -> Matrix:
    """Encoded targets (B,) -> (B, M): numbers, or a class's membership; one column for two."""
    if n_classes is None:
        return y[:, None].astype(np.float64)
    classes = np.arange(1, 2) if n_classes == 2 else np.arange(n_classes)
    return (y[:, None] == classes).astype(np.float64)
