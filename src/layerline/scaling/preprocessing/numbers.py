"""Numeric columns: gaps are filled and marked, values scaled.

`Numbers` is the frozen block, `fit_numbers` makes it from train rows. `to_numbers` is how any
column that counts as a number becomes float64.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.config import ScaleSection
from layerline.errors import DataError
from layerline.lookup import Choice, read_choices
from layerline.scaling.preprocessing.choices import chosen
from layerline.scaling.preprocessing.imputers import IMPUTERS
from layerline.scaling.preprocessing.scalers import (
    SCALERS,
    Matrix,
    Transform,
    own_line,
    read_transform,
)
from layerline.tables.threads import side_by_side

FIT_VALUES = 1 << 23  # numbers in memory at a time in each thread, with a few copies of them
CACHED_ROWS = 1 << 13


class TrainRows(Protocol):
    """Train rows of a table, whose columns are read by name; a pandas frame is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, names: list[str]) -> pd.DataFrame: ...


@dataclasses.dataclass(frozen=True)
class Scaled:
    """Some of the columns, by position, and what scales them."""

    columns: tuple[int, ...]
    transform: Transform

    @property
    def place(self) -> slice | list[int]:
        """The columns as an index; neighbours as a slice, which copies nothing."""
        first, last = self.columns[0], self.columns[-1]
        neighbours = self.columns == tuple(range(first, last + 1))
        return slice(first, last + 1) if neighbours else list(self.columns)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The numeric block: fill gaps, scale, and say which values were gaps."""

    names: tuple[str, ...]
    fill: tuple[float, ...]
    scaled: tuple[Scaled, ...]  # every column once
    indicators: tuple[str, ...]  # columns that had gaps in the train rows

    def write(self, frame: pd.DataFrame, result: NDArray[np.float32]) -> None:
        """(B rows) -> (B, F + indicators), a few rows at a time, which the cache holds."""
        columns = [to_number(frame[name]) for name in self.names]
        values = np.empty((min(len(frame), CACHED_ROWS), len(columns)))
        for start in range(0, len(frame), CACHED_ROWS):
            part = values[: len(frame) - start]
            for place, column in enumerate(columns):
                part[:, place] = column[start : start + CACHED_ROWS]
            result[start : start + CACHED_ROWS] = self.apply_values(part)

    def apply_values(self, values: Matrix) -> Matrix:
        """(B, F) with NaN for gaps -> (B, F + indicators)."""
        gaps = np.isnan(values)
        if gaps.any():
            values = np.where(gaps, np.asarray(self.fill), values)
        n_columns = len(self.names)
        result = np.empty((len(values), n_columns + len(self.indicators)))
        for part in self.scaled:
            result[:, part.place] = part.transform.apply(values[:, part.place])
        if self.indicators:
            index = {name: position for position, name in enumerate(self.names)}
            result[:, n_columns:] = gaps[:, [index[name] for name in self.indicators]]
        return result

    @property
    def transforms(self) -> list[Transform]:
        """What scales the columns."""
        return [part.transform for part in self.scaled]

    @property
    def features(self) -> list[str]:
        return [*self.names, *(f"{name} is missing" for name in self.indicators)]

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        scaled = [{"columns": part.columns, **part.transform.to_json()} for part in self.scaled]
        return {**dataclasses.asdict(self), "scaled": scaled}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Numbers":
        """The inverse of `to_json`; older states have one `affine` for all columns."""
        names, fill, indicators = (tuple(state[key]) for key in ("names", "fill", "indicators"))
        parts = state.get("scaled") or [{"columns": range(len(names)), **state["affine"]}]
        scaled = tuple(Scaled(tuple(part["columns"]), read_transform(part)) for part in parts)
        return cls(names, fill, scaled, indicators)


def to_numbers(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Numeric, boolean and date columns -> (B, F) float64; gaps are NaN, dates days since 1970."""
    values = np.empty((len(frame), len(names)))
    for index, name in enumerate(names):
        values[:, index] = to_number(frame[name])
    return values


def to_number(column: pd.Series) -> NDArray[np.float64]:
    """One of them, (B,) float64."""
    if column.dtype == np.float64:
        return column.to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column):
        # In microseconds: nanoseconds end in the year 2262.
        epoch = pd.Timestamp(0, tz=column.dt.tz).as_unit("us")
        column = (column - epoch) / pd.Timedelta(days=1)
    try:
        return pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(f"column {column.name!r} must hold numbers: {error}") from None


def fit_numbers(rows: TrainRows, names: Sequence[str], section: ScaleSection) -> Numbers:
    """Fit the numeric columns, as many at a time as memory allows.

    Raises:
        DataError: a column has no value in any train row.
    """
    missing = read_choices(section.missing, "median")
    numeric = read_choices(section.numeric, "standard")
    fill, has_gaps = np.empty(len(names)), np.zeros(len(names), dtype=bool)
    choices = [(missing.of(name), numeric.of(name)) for name in names]

    def fitted(columns: list[int]) -> Scaled:
        block = [names[column] for column in columns]
        values = to_numbers(rows[block], block)
        has_gaps[columns] = np.isnan(values).any(axis=0)
        fill[columns], transform = fit_values(values, block, *choices[columns[0]])
        return Scaled(tuple(columns), transform)

    scaled = side_by_side(fitted, _blocks(choices, len(rows)))
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
    fill = chosen(IMPUTERS, missing, "scale.missing")(values)
    filled = np.where(gaps, fill, values) if gaps.any() else values
    return fill, chosen(SCALERS, numeric, "scale.numeric", own_line)(filled)


def _blocks(choices: Sequence[tuple[Choice, Choice]], n_rows: int) -> Iterator[list[int]]:
    """Positions of columns that are treated alike, at most so many at a time."""
    alike: dict[str, list[int]] = {}
    for column, choice in enumerate(choices):
        alike.setdefault(json.dumps(choice, sort_keys=True), []).append(column)
    width = max(3, FIT_VALUES // max(n_rows, 1))
    for columns in alike.values():
        # Evenly, so that none is left alone: the sums of one column are rounded otherwise.
        for part in np.array_split(columns, -(-len(columns) // width)):
            yield part.tolist()
