"""Numeric columns, fitted: what fills their gaps, and what scales them.

An entry of IMPUTERS takes train values (B, F) with NaN for gaps and returns what fills each column,
(F,). To add one: write the function, add one line.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.config import ScaleSection
from layerline.errors import DataError
from layerline.lookup import Choice, pick, read_choices, read_options
from layerline.scaling.preprocessing.numbers import Numbers, Scaled, to_numbers
from layerline.scaling.preprocessing.scalers import SCALERS
from layerline.scaling.preprocessing.transforms import Matrix, Transform

FIT_VALUES = 1 << 23  # numbers in memory at a time; scikit-learn makes a few copies of them


class TrainRows(Protocol):
    """Train rows of a table, which gives its columns by name; a pandas frame is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, names: list[str]) -> pd.DataFrame: ...


def median(values: Matrix) -> NDArray[np.float64]:
    """The train rows' median, as of sklearn.impute.SimpleImputer, which takes ten times as long."""
    return np.array([np.median(column[~np.isnan(column)]) for column in values.T])


def mean(values: Matrix) -> NDArray[np.float64]:
    """The train rows' mean. Source: sklearn.impute.SimpleImputer."""
    return _simple(values, "mean")


def most_frequent(values: Matrix) -> NDArray[np.float64]:
    """The most frequent value, the smallest of several. Source: sklearn.impute.SimpleImputer."""
    return _simple(values, "most_frequent")


def _simple(values: Matrix, strategy: str) -> NDArray[np.float64]:
    from sklearn.impute import SimpleImputer

    statistics: NDArray[np.float64] = SimpleImputer(strategy=strategy).fit(values).statistics_
    return statistics


def constant(values: Matrix, *, value: float) -> NDArray[np.float64]:
    """A value of the user's choice."""
    return np.full(values.shape[1], value)


def zero(values: Matrix) -> NDArray[np.float64]:
    """0, in the column's own unit."""
    return constant(values, value=0.0)


IMPUTERS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "median": median,
    "mean": mean,
    "most_frequent": most_frequent,
    "constant": constant,
    "zero": zero,
}


def fit_numbers(rows: TrainRows, names: Sequence[str], section: ScaleSection) -> Numbers:
    """Fit the numeric columns, as many at a time as memory allows.

    Raises:
        DataError: a column has no value in any train row.
    """
    missing = read_choices(section.missing, "median")
    numeric = read_choices(section.numeric, "standard")
    fill, has_gaps = np.empty(len(names)), np.zeros(len(names), dtype=bool)
    scaled = []
    chosen = [(missing.of(name), numeric.of(name)) for name in names]
    for columns in _blocks(chosen, len(rows)):
        block = [names[column] for column in columns]
        values = to_numbers(rows[block], block)
        has_gaps[columns] = np.isnan(values).any(axis=0)
        fill[columns], transform = fit_values(values, block, *chosen[columns[0]])
        scaled.append(Scaled(tuple(columns), transform))
    marked = np.flatnonzero(has_gaps & section.missing_indicator).tolist()
    return Numbers(
        names=tuple(names),
        fill=tuple(fill.tolist()),
        scaled=tuple(scaled),
        indicators=tuple(names[column] for column in marked),
    )


def fit_values(
    values: Matrix, names: Sequence[str], missing: Choice, numeric: Choice
) -> tuple[NDArray[np.float64], Transform]:
    """What fills and what scales values (B, F), NaN for gaps, whose choice is the same.

    Raises:
        DataError: a column has no value in any train row.
    """
    gaps = np.isnan(values)
    empty = np.flatnonzero(gaps.all(axis=0))
    if len(empty):
        raise DataError(
            f"column {names[empty[0]]!r} has no value in any train row; "
            "set `use: false` for it in the schema"
        )
    fill = build(IMPUTERS, missing, "scale.missing")(values)
    filled = np.where(gaps, fill, values) if gaps.any() else values
    return fill, build(SCALERS, numeric, "scale.numeric")(filled)


def build(table: dict[str, Callable[..., Any]], choice: Choice, where: str) -> Callable[..., Any]:
    """The builder that is chosen, with its options filled in.

    Raises:
        ParamsError: the name or an option is not known.
    """
    builder = pick(table, choice.name, where)
    options = read_options(builder, choice.options, where)
    return lambda *given: builder(*given, **options)


def _blocks(chosen: Sequence[tuple[Choice, Choice]], n_rows: int) -> Iterator[list[int]]:
    """Positions of columns that are treated alike, at most so many at a time."""
    alike: dict[str, list[int]] = {}
    for column, choice in enumerate(chosen):
        alike.setdefault(json.dumps(choice, sort_keys=True), []).append(column)
    width = max(3, FIT_VALUES // max(n_rows, 1))
    for columns in alike.values():
        # Evenly, so that none is left alone: the sums of one column are rounded otherwise.
        for part in np.array_split(columns, -(-len(columns) // width)):
            yield part.tolist()
