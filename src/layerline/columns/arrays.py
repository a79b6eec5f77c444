"""Typed arrays that the kinds of columns hand around, and what carries the values of a column.

A carrier is what values look like before they are read: text, numbers, truth values or dates. Each
kind has one function for each carrier, so it does not matter which door a value came through.
"""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

Carrier = Literal["text", "numbers", "truths", "dates", "other"]
_CARRIERS: tuple[tuple[type | tuple[type, ...], Carrier], ...] = (
    (str, "text"),
    ((bool, np.bool_), "truths"),
    ((int, float, Decimal, np.number), "numbers"),
    ((datetime.date, np.datetime64), "dates"),  # datetime and Timestamp are dates, too
)
_DTYPES: tuple[tuple[Callable[[Any], bool], Carrier], ...] = (
    (lambda kind: isinstance(kind, pd.StringDtype), "text"),
    (pd.api.types.is_bool_dtype, "truths"),  # before numbers, which they are to pandas
    (pd.api.types.is_numeric_dtype, "numbers"),
    (pd.api.types.is_datetime64_any_dtype, "dates"),
)


class Read(NamedTuple):
    """B values in the type of their column, gaps where `bad` marks a value of another type."""

    values: Any  # (B,) float64, int64, datetime64[us], or objects
    bad: NDArray[np.bool_]  # (B,)


def none_bad(n: int) -> NDArray[np.bool_]:
    """(B,) no value is bad."""
    return np.zeros(n, dtype=np.bool_)


def mask(values: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    """(B,) where an Arrow condition holds; null counts as false."""
    found: NDArray[np.bool_] = np.asarray(values.fill_null(False).to_numpy(), dtype=np.bool_)
    return found


def gaps_of(values: Any) -> NDArray[np.bool_]:
    """(B,) where a value is missing."""
    return np.asarray(pd.isna(values), dtype=np.bool_)


def refuse_all(values: Any, empty: Any) -> Read:
    """Every value that is not missing is bad; `empty` is the column's gap."""
    filled = np.full(len(values), empty)
    return Read(filled, ~gaps_of(values))


def as_text(column: pd.Series) -> pa.ChunkedArray:
    """A column whose values are text, or missing, as Arrow strings."""
    if isinstance(column.dtype, pd.StringDtype):
        found = pa.array(column, from_pandas=True)
    else:
        found = pa.array(column.astype(object).where(column.notna(), None), pa.string())
    chunks = found.chunks if isinstance(found, pa.ChunkedArray) else [found]
    return pa.chunked_array(chunks, found.type).cast(pa.string())


def carrier_of(column: pd.Series) -> Carrier | None:
    """What all values of a column are; None when they are objects of several types."""
    kind = column.dtype
    if pd.api.types.is_object_dtype(kind):
        found = {carrier_of_type(type(value)) for value in column[column.notna()].tolist()}
        return found.pop() if len(found) == 1 else None
    return next((carrier for is_so, carrier in _DTYPES if is_so(kind)), "other")


def carrier_of_type(kind: type) -> Carrier:
    """What a Python value of this type is."""
    return next((carrier for types, carrier in _CARRIERS if issubclass(kind, types)), "other")
