"""Numbers: whole (int64) or decimal (float64), within the limits of their column.

Text is a number when it is written as one: an optional sign, digits without leading zeros, a
decimal point, an exponent. `00123` is not: a number would not give back what was written. Decimals
are read to the nearest 64-bit float; text that would become zero (`1e-400`) is not a number, text
that would become infinite is infinite.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerline.columns.arrays import Read, mask, none_bad, refuse_all
from layerline.columns.missing import plain_fields
from layerline.columns.number_forms import are_numbers, plain_signs, to_plain
from layerline.columns.row_names import counts_rows, names_rows
from layerline.columns.spec import ColumnSpec, Dtype
from layerline.text import exact

EXACT_FLOAT = 2**53  # whole numbers beyond it have no exact float64
BEYOND_64_BITS = 2.0**63
WHOLE = r"^(?:0|[+-]?[1-9][0-9]*)$"
DECIMAL = r"^[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
INFINITE = r"^[+-]?(?i:inf|infinity)$"
_LEADING_ZERO = r"^[+-]?0[0-9]"
_NOT_ZERO = r"^[^eE]*[1-9]"
ROOM = 10.0  # widths of the range seen, on each side of it
Floats = NDArray[np.float64]


def from_text(fields: pa.ChunkedArray, spec: ColumnSpec) -> Read:
    """Text -> numbers; `bad` where it is not written as one."""
    plain = plain_fields(fields)
    if spec.written is not None:
        plain = to_plain(plain, spec.written)
    values, bad = _floats(plain)
    if spec.dtype != "int64":
        return Read(values, bad)
    return _whole(values, bad, plain)


def from_numbers(column: pd.Series, spec: ColumnSpec) -> Read:
    """Numbers -> numbers; `bad` where a whole number is wanted and this is none."""
    if column.dtype == object:  # Decimal, or Python's own beyond 64 bits
        column = pd.Series([_float(value) for value in column], dtype=np.float64)
    whole = spec.dtype == "int64"
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        numbers = column.to_numpy()
        if not whole:
            return Read(numbers.astype(np.float64), none_bad(len(numbers)))
        if numbers.dtype != np.uint64:
            return Read(numbers.astype(np.int64), none_bad(len(numbers)))
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if not whole:
        return Read(values, none_bad(len(values)))
    return _whole(values, none_bad(len(values)), None)


def from_truths(column: pd.Series, spec: ColumnSpec) -> Read:
    """True and false are not numbers."""
    return refuse_all(column, np.nan)


def from_dates(column: pd.Series, spec: ColumnSpec) -> Read:
    """Dates are not numbers."""
    return refuse_all(column, np.nan)


def numeric_fields(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where a plain field is written as a number, `inf` included; null where it is missing."""
    return pc.or_(
        pc.match_substring_regex(plain, DECIMAL), pc.match_substring_regex(plain, INFINITE)
    )


def vanished(values: pa.ChunkedArray, plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where text that is not zero became zero: beyond what a 64-bit float holds."""
    zero = pc.equal(values, 0.0)
    if not pc.any(zero).as_py():
        return zero
    places = pc.indices_nonzero(zero.fill_null(False))
    gone = places.filter(pc.match_substring_regex(plain.take(places), _NOT_ZERO))
    if not len(gone):
        return pa.chunked_array([pa.array(none_bad(len(zero)))])
    return pa.chunked_array(
        [pc.is_in(pa.array(np.arange(len(zero), dtype=np.uint64)), value_set=gone)]
    )


def _floats(plain: pa.ChunkedArray) -> tuple[Floats, NDArray[np.bool_]]:
    """(values, bad) of plain fields; regular expressions only where Arrow's reader takes more."""
    try:
        values = plain.cast(pa.float64())
    except pa.ArrowInvalid:
        plain = plain_signs(plain)
        is_number = numeric_fields(plain)
        bad = mask(pc.invert(is_number))
        values = pc.if_else(is_number, plain, pa.scalar(None, pa.string())).cast(pa.float64())
    else:
        bad = mask(pc.match_substring_regex(plain, _LEADING_ZERO))
        # `nan` in a spelling that does not mean missing.
        bad = bad | mask(pc.is_nan(values))
    bad |= mask(vanished(values, plain))
    numbers = np.array(values.to_numpy(), dtype=np.float64)
    numbers[bad] = np.nan
    return numbers, bad


def _whole(values: Floats, bad: NDArray[np.bool_], plain: pa.ChunkedArray | None) -> Read:
    finite = np.isfinite(values)
    bad = bad | (finite & (np.floor(values) != values))
    bad |= finite & ((values >= BEYOND_64_BITS) | (values < -BEYOND_64_BITS))
    values = np.where(bad, np.nan, values)
    if not finite.all() or bad.any():
        return Read(values, bad)
    if plain is not None and len(values) and np.abs(values).max() > EXACT_FLOAT:
        # The last ones below -2^63 are it as a float, too: one number at every door.
        exact = [max(int(Decimal(text)), -(2**63)) for text in plain.to_pylist()]
        return Read(np.array(exact, dtype=np.int64), bad)
    return Read(values.astype(np.int64), bad)


def _float(value: Any) -> float:
    if value is None or value is pd.NA or value is pd.NaT:
        return np.nan
    if isinstance(value, Decimal) and value.is_nan():
        return np.nan  # float() refuses a signalling one
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def checks(spec: ColumnSpec) -> Mapping[str, Any]:
    """Rule -> which of (B,) numbers keep it; gaps keep every rule."""
    low = -np.inf if spec.minimum is None else spec.minimum
    high = np.inf if spec.maximum is None else spec.maximum

    def is_finite(column: pd.Series) -> NDArray[np.bool_]:
        return ~np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan))

    def is_inside(column: pd.Series) -> NDArray[np.bool_]:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        # An infinite number breaks one rule, not two.
        return ((values >= low) & (values <= high)) | ~np.isfinite(values)

    return {"finite": is_finite, "limits": is_inside}


def noun(spec: ColumnSpec) -> str:
    """What the values must be, in a message."""
    return "whole numbers" if spec.dtype == "int64" else "numbers"


def fault(spec: ColumnSpec, rule: str, value: Any) -> str:
    """What is wrong with one value: `must be ...`."""
    if rule == "finite":
        return "must be a finite number"
    if rule == "limits":
        if spec.minimum is not None and value < spec.minimum:
            return f"must be at least {exact(spec.minimum)}"
        assert spec.maximum is not None
        return f"must be at most {exact(spec.maximum)}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str):
        is_number = bool(re.match(WHOLE, value.strip()) or are_numbers([value.strip()])[0])
    if spec.dtype == "int64" and is_number:
        return f"must be a whole number{' of at most 64 bits' if _is_beyond(value) else ''}"
    return f"must be a number{'' if spec.written is None else spec.written.marks}"


def _is_beyond(value: Any) -> bool:
    """Whether a number, or its text, is too large for 64 bits."""
    try:
        return not -BEYOND_64_BITS <= float(value) < BEYOND_64_BITS
    except (ValueError, OverflowError) as error:
        return isinstance(error, OverflowError)


def json_type(spec: ColumnSpec, any_value: bool) -> dict[str, Any]:
    """The JSON schema of one value."""
    limits = {"minimum": spec.minimum, "maximum": spec.maximum}
    known = {key: limit for key, limit in limits.items() if limit is not None}
    kind = "integer" if spec.dtype == "int64" else "number"
    return {"type": kind, **({} if any_value else known)}


def example(spec: ColumnSpec) -> float:
    """A value that is right."""
    low, high = spec.minimum, spec.maximum
    middle = (low + high) / 2 if low is not None and high is not None else low or high or 0.0
    return round(middle) if spec.dtype == "int64" else float(f"{middle:.6g}")


def infer(column: pd.Series, name: str) -> ColumnSpec | None:
    """The column's first spec, with room on both sides of what was seen; None for no numbers."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    nullable = bool(column.isna().any())
    use = not (column.isna().all() or counts_rows(column) or names_rows(column, name))
    return limited(column, name, nullable=nullable or not use, use=use)


def limited(column: pd.Series, name: str, *, nullable: bool, use: bool) -> ColumnSpec:
    """A number column with limits about the range seen; of whole 0 and 1 these are the limits."""
    finite = column[np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    dtype: Dtype = "int64" if pd.api.types.is_integer_dtype(column) else "float64"
    if use and dtype == "int64" and (low, high) == (0, 1):
        return ColumnSpec(name, "number", dtype, nullable, use, 0.0, 1.0)
    room = ROOM * (high - low)
    if not room or not np.isfinite(room) or not use:
        return ColumnSpec(name, "number", dtype, nullable, use)
    minimum, maximum = _round(low - room, room), _round(high + room, room)
    return ColumnSpec(name, "number", dtype, nullable, use, minimum, maximum)


def _round(limit: float, room: float) -> float:
    # Six digits are enough for a limit that a person is to read; the room is ten widths. Not so
    # where the room is narrow far from zero: 1,700,000,000 to 1,700,000,050.
    rounded = float(f"{limit:.6g}")
    return rounded if abs(rounded - limit) <= room / 2 else limit
