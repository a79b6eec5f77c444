"""Numeric columns, frozen: gaps are filled, values scaled, and gaps said.

`to_numbers` is how any column that counts as one becomes float64.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.scaling.preprocessing.transforms import Matrix, Transform, read_transform


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

    def apply(self, frame: pd.DataFrame) -> Matrix:
        """(B rows) -> (B, F + indicators)."""
        return self.apply_values(to_numbers(frame, self.names))

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
        column = frame[name]
        if column.dtype == np.float64:
            values[:, index] = column.to_numpy()
            continue
        if pd.api.types.is_datetime64_any_dtype(column):
            # In microseconds: nanoseconds end in the year 2262.
            epoch = pd.Timestamp(0, tz=column.dt.tz).as_unit("us")
            column = (column - epoch) / pd.Timedelta(days=1)
        try:
            values[:, index] = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError) as error:
            raise DataError(f"column {name!r} must hold numbers: {error}") from None
    return values
