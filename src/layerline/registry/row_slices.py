"""Parts of the test rows, by the levels of a column or by its quarters."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem

MOST_LEVELS = 20  # of numbers; with more of them a column is cut into quarters
_QUARTERS = 4


class Slice(NamedTuple):
    """A part of the rows: its name, such as `soil=clay`, and (B,) which rows are in it."""

    name: str
    is_in: NDArray[np.bool_]


def slices_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[Slice]:
    """Cut the rows by each of the columns.

    Raises:
        ParamsError: a column is not in the data.
    """
    absent = [name for name in columns if name not in frame]
    if absent:
        known = ", ".join(map(str, frame.columns))
        message = f"the test rows have no column {absent[0]!r}; they have: {known}"
        raise ParamsError([Problem("register.gate.slices", message)])
    return [part for name in columns for part in _cut(name, frame[name])]


def _cut(name: str, column: pd.Series) -> Iterator[Slice]:
    gaps = column.isna().to_numpy()
    is_measured = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(
        column
    )
    is_measured = is_measured and not pd.api.types.is_bool_dtype(column)
    if is_measured and column.nunique() > MOST_LEVELS:
        for quarter in pd.qcut(column, _QUARTERS, duplicates="drop").cat.categories:
            inside = (column > quarter.left) & (column <= quarter.right)
            yield Slice(f"{name} in {quarter}", inside.to_numpy(dtype=bool))
    else:
        for level in sorted(column.dropna().unique(), key=str):
            yield Slice(f"{name}={level}", (column == level).fillna(False).to_numpy(dtype=bool))
    if gaps.any():
        yield Slice(f"{name} is missing", gaps)
