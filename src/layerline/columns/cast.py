"""A column of any kind, from any door, brought into the type of its spec.

No value is changed: what cannot be read as the column's kind is marked and left as a gap.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from layerline.columns.arrays import (
    Carrier,
    Read,
    as_text,
    carrier_of,
    carrier_of_type,
    gaps_of,
    none_bad,
)
from layerline.columns.kinds import ColumnKind, kind_of
from layerline.columns.spec import ColumnSpec, Dtype
from layerline.columns.truth import is_truth_with_gaps

# What holds values and gaps of a type before anything is known of them.
_EMPTY: dict[Dtype, tuple[Any, Any]] = {
    "int64": (np.float64, np.nan),
    "float64": (np.float64, np.nan),
    "datetime64[us]": ("datetime64[us]", np.datetime64("NaT", "us")),
    "bool": (object, None),
    "str": (object, None),
}


class Cast(NamedTuple):
    """A column in its spec's type; missing where `bad` marks a value of another type."""

    values: pd.Series
    bad: NDArray[np.bool_]


def cast_column(column: pd.Series, spec: ColumnSpec) -> Cast:
    """Read a column as its spec asks."""
    if column.isna().all():
        return Cast(_gaps(column, spec), none_bad(len(column)))
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    elif isinstance(column.dtype, pd.ArrowDtype):
        column = pd.Series(pa.array(column).to_pandas(), column.index, name=column.name)
    carrier = carrier_of(column)
    found = _read_mixed(column, spec) if carrier is None else _read(column, spec, carrier)
    return Cast(_as_series(found.values, column), found.bad)


def _gaps(column: pd.Series, spec: ColumnSpec) -> pd.Series:
    empty = pd.Series(None, index=column.index, name=column.name, dtype=object)
    return empty.astype(_EMPTY[spec.dtype][0])


def _read(column: pd.Series, spec: ColumnSpec, carrier: Carrier) -> Read:
    kind: ColumnKind = kind_of(spec)
    if carrier == "text":
        text = as_text(column)
        found = kind.from_text(text, spec)
        return Read(column.array, found.bad) if found.values is text else found
    if carrier == "numbers":
        return kind.from_numbers(column, spec)
    if carrier == "truths":
        return kind.from_truths(column, spec)
    if carrier == "dates":
        return kind.from_dates(column, spec)
    dtype, empty = _EMPTY[spec.dtype]
    return Read(np.full(len(column), empty, dtype=dtype), ~gaps_of(column))


def _read_mixed(column: pd.Series, spec: ColumnSpec) -> Read:
    """Objects of several types: each carrier's values are read by themselves."""
    dtype, empty = _EMPTY[spec.dtype]
    values: Any = np.full(len(column), empty, dtype=dtype)
    bad, gaps = none_bad(len(column)), gaps_of(column)
    carriers = np.array([carrier_of_type(type(value)) for value in column.tolist()], dtype=object)
    for carrier in dict.fromkeys(carriers[~gaps].tolist()):
        places = np.flatnonzero((carriers == carrier) & ~gaps)
        found = _read(column.iloc[places], spec, carrier)
        part = found.values
        if isinstance(part, pa.Array | pa.ChunkedArray):
            part = part.to_pandas()
        values[places] = np.asarray(part)
        bad[places] = found.bad
    if spec.dtype == "int64" and np.isfinite(values).all():
        values = values.astype(np.int64)
    return Read(values, bad)


def _as_series(values: Any, column: pd.Series) -> pd.Series:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return pd.Series(values.to_pandas().array, column.index, name=column.name)
    return pd.Series(values, column.index, name=column.name)


def dtype_of(column: pd.Series) -> Dtype:
    """The name that the schema has for the type of a column in one of the five types."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "datetime64[us]"
    if pd.api.types.is_bool_dtype(column) or is_truth_with_gaps(column):
        return "bool"
    if pd.api.types.is_integer_dtype(column):
        return "int64"
    return "float64" if pd.api.types.is_numeric_dtype(column) else "str"
