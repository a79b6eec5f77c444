"""The schema as pandera checks it, and columns brought into the schema's types before that.

`cast_column` turns a column into its type and says which values cannot be; what is left, missing
values, levels, limits and patterns, is pandera's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerline.sources.reading.parsing import date_fields, numeric_fields, plain_fields
from layerline.validation.schema.contradictions import whole
from layerline.validation.schema.definitions import ColumnSpec
from layerline.validation.schema.infer import dtype_of

if TYPE_CHECKING:
    import pandera.pandas as pandera

FINITE, LIMITS, LEVELS, PATTERN = "finite", "limits", "levels", "pattern"


class Cast(NamedTuple):
    """A column in its schema's type; missing where `bad` says that a value is of another type."""

    values: pd.Series
    bad: NDArray[np.bool_]


def cast_column(column: pd.Series, spec: ColumnSpec) -> Cast:
    """Bring a column into the schema's type; no value is changed, text must be exactly a number."""
    if column.isna().all():
        return Cast(_all_missing(column, spec), np.zeros(len(column), dtype=bool))
    if spec.dtype in ("int64", "float64"):
        return _cast_number(column, whole=spec.dtype == "int64")
    if spec.dtype == "datetime64[us]":
        return _cast_date(column)
    if dtype_of(column) == spec.dtype:
        return Cast(column, np.zeros(len(column), dtype=bool))
    return Cast(_all_missing(column, spec), column.notna().to_numpy())


def _all_missing(column: pd.Series, spec: ColumnSpec) -> pd.Series:
    kind: Any = {"str": object, "bool": object, "datetime64[us]": "datetime64[us]"}
    empty = pd.Series(None, index=column.index, name=column.name, dtype=object)
    return empty.astype(kind.get(spec.dtype, "float64"))


def _cast_number(column: pd.Series, *, whole: bool) -> Cast:
    found = dtype_of(column)
    none = np.zeros(len(column), dtype=bool)
    if found == "int64":
        return Cast(column if whole else column.astype("float64"), none)
    if found == "str":
        fields = plain_fields(_as_arrow(column))
        is_number = numeric_fields(fields)
        numbers = pc.if_else(is_number, fields, pa.scalar(None, pa.string())).cast(pa.float64())
        bad = _mask(pc.invert(is_number))
        column = pd.Series(numbers.to_numpy(), index=column.index, name=column.name)
    elif found == "float64":
        bad = none
    else:
        return Cast(
            pd.Series(np.nan, index=column.index, name=column.name), column.notna().to_numpy()
        )
    if whole:
        values = column.to_numpy(dtype=np.float64)
        bad = bad | (np.isfinite(values) & (np.floor(values) != values))
        column = column.mask(bad)
        if not column.isna().any() and np.isfinite(column).all():
            column = column.astype("int64")
    return Cast(column, bad)


def _cast_date(column: pd.Series) -> Cast:
    found = dtype_of(column)
    if found == "datetime64[us]":
        return Cast(column, np.zeros(len(column), dtype=bool))
    if found != "str":
        dates = pd.Series(pd.NaT, index=column.index, name=column.name)
        return Cast(dates.astype("datetime64[us]"), column.notna().to_numpy())
    fields = plain_fields(_as_arrow(column))
    written = pd.Series(
        pc.if_else(date_fields(fields), fields, pa.scalar(None, pa.string())).to_pylist(),
        index=column.index,
        name=column.name,
    )
    dates = pd.to_datetime(written, format="ISO8601", errors="coerce").astype("datetime64[us]")
    return Cast(dates, _mask(pc.is_valid(fields)) & dates.isna().to_numpy())


def _as_arrow(column: pd.Series) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pa.array(column.astype(object).where(column.notna(), None), pa.string())]
    )


def _mask(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = np.asarray(pc.fill_null(values, False).to_numpy(), dtype=bool)
    return mask


def to_pandera(specs: Sequence[ColumnSpec]) -> "pandera.DataFrameSchema":
    """Columns in pandera's words, for a frame that was cast and has just these."""
    import pandera.pandas as pandera

    columns = {
        spec.name: pandera.Column(None, _checks(spec), nullable=spec.nullable) for spec in specs
    }
    return pandera.DataFrameSchema(columns, strict=True, coerce=False)


def _checks(spec: ColumnSpec) -> list[Any]:
    import pandera.pandas as pandera

    checks = []
    if spec.kind == "category":
        checks.append(pandera.Check(lambda column: column.isin(spec.levels), name=LEVELS))
    if spec.pattern is not None:
        pattern = whole(spec.pattern)
        checks.append(pandera.Check(lambda column: _matches(column, pattern), name=PATTERN))
    if spec.kind != "number":
        return checks
    low = -np.inf if spec.minimum is None else spec.minimum
    high = np.inf if spec.maximum is None else spec.maximum
    return [
        pandera.Check(lambda column: np.isfinite(column), name=FINITE),
        # Infinity breaks one rule, not two.
        pandera.Check(lambda column: column.between(low, high) | np.isinf(column), name=LIMITS),
    ]


def _matches(column: pd.Series, pattern: str) -> pd.Series:
    """By Arrow's RE2, whose time is linear in the text whatever the pattern."""
    return pd.Series(_mask(pc.match_substring_regex(_as_arrow(column), pattern)), column.index)
