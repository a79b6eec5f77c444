"""Slices: groups of rows by the levels of a column, or by its quartiles.

The report of evaluate and the gate of register cut rows with this module, so that a slice has the
same rows and the same name in both.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.text import closest, listing, readable

MAX_LEVELS, N_QUANTILES = 20, 4
OTHERS, MISSING = "(others)", "(missing)"


class Slice(NamedTuple):
    """The rows with one level, or in one range, of a column; `is_in` is a mask (B,)."""

    column: str
    level: str
    is_in: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Such as `soil = clay`."""
        return f"{self.column} = {self.level}"


def cut_rows(frame: pd.DataFrame, columns: Sequence[str], where: str) -> list[Slice]:
    """Cut the rows by each of the columns, in their order; no slice is empty.

    Args:
        frame: raw rows.
        columns: by which to cut.
        where: the dotted path of `columns` in params.yaml, for messages.

    Raises:
        ParamsError: a column is not in the data.
    """
    known = list(map(str, frame.columns))
    problems = [
        Problem(f"{where}.{index}", _unknown_column(name, known))
        for index, name in enumerate(columns)
        if name not in known
    ]
    if problems:
        raise ParamsError(problems)
    return [Slice(name, *part) for name in columns for part in cut_column(frame[name])]


def _unknown_column(name: str, known: Sequence[str]) -> str:
    close = closest(name, known)
    hint = f"; did you mean {close!r}?" if close else ""
    return f"the data have no column {name!r}{hint}; the columns are: {listing(known)}"


def cut_column(column: pd.Series) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The level or range of each slice, and the mask (B,) of its rows; no slice is empty.

    Numbers and dates with more than `MAX_LEVELS` values are cut at their quartiles, other columns
    by level, the most frequent first; the remaining levels form one slice.
    """
    missing = column.isna().to_numpy()
    is_ordered = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(
        column
    )
    if is_ordered and column.nunique() > MAX_LEVELS:
        yield from _quartiles(column, missing)
    else:
        counts = column[~missing].astype(str).value_counts()
        names = sorted(counts.index, key=lambda name: (-counts[name], name))
        text = column.astype(str).to_numpy()
        for name in names[:MAX_LEVELS]:
            yield name, (text == name) & ~missing
        if len(names) > MAX_LEVELS:
            yield OTHERS, ~np.isin(text, names[:MAX_LEVELS]) & ~missing
    if missing.any():
        yield MISSING, missing


def _quartiles(
    column: pd.Series, missing: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    shares = np.linspace(0, 1, N_QUANTILES + 1)
    # "lower" gives values that occur; dates cannot be interpolated.
    edges = column[~missing].quantile(shares, interpolation="lower").drop_duplicates().tolist()
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        above = (column >= low) if k == 0 else (column > low)
        mask = (above & (column <= high)).to_numpy(dtype=bool, na_value=False) & ~missing
        if mask.any():
            yield f"{_shown(low)} to {_shown(high)}", mask


def _shown(value: Any) -> str:
    return str(value.date()) if isinstance(value, pd.Timestamp) else readable(value)
