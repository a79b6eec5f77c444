"""Dates and times: what ISO 8601 and RFC 3339 agree on, in UTC where there is an offset.

`2024-12-31`, `2024-12-31T23:59`, `2024-12-31 23:59:58.123Z`, `2024-12-31T23:59+01:00`. Without an
offset a time is taken as it stands. A bare number is not a date: it could be a year, days or
seconds.
"""

import datetime
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns import number
from layerline.columns.arrays import Read, gaps_of, refuse_all
from layerline.columns.date_forms import read_form
from layerline.columns.missing import plain_fields
from layerline.columns.numbered_dates import is_numbered, read_numbered
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import NUMBERED, DateForm
from layerline.columns.written import PLAIN as PLAIN_FORM

_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)[-]02[-]29"
_DAY = (
    r"(?:[0-9]{4}[-](?:(?:0[13578]|1[02])[-](?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)[-](?:0[1-9]|[12][0-9]|30)|02[-](?:0[1-9]|1[0-9]|2[0-8]))|" + _LEAP + ")"
)
_TIME = r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_OFFSET = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"
# Each pattern holds dates that exist and nothing else, so that Arrow's reader never meets another.
PLAIN = rf"^{_DAY}(?:{_TIME})?$"
ZONED = rf"^{_DAY}{_TIME}{_OFFSET}$"
_ANY = re.compile(rf"{_DAY}(?:{_TIME}(?:{_OFFSET})?)?")
_NANOSECONDS = r"(\.[0-9]{6})[0-9]+"
_FIRST, _AFTER = -62135596800 * 10**6, 253402300800 * 10**6  # microseconds since 1970
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.UTC)
_ONE_DAY = datetime.timedelta(days=1)
_FIRST_DAY, _LAST_DAY = _FIRST / 86_400_000_000, _AFTER / 86_400_000_000
EXAMPLE = "2024-12-31"
_EXAMPLES: Mapping[DateForm, Any] = {
    "day_first": "31/12/2024",
    "month_first": "12/31/2024",
    "short_year_first": "24-12-31",
    "month": "2024-12",
    "unix_seconds": 1735603200,
    "unix_milliseconds": 1735603200000,
    "spreadsheet_days": 45657,
    "yyyymmdd": 20241231,
}


def from_text(fields: pa.ChunkedArray, spec: ColumnSpec) -> Read:
    """Text -> datetime64[us], in UTC where it has an offset."""
    plain = plain_fields(fields)
    dates = parse(plain).to_numpy()
    missing = pc.is_null(plain).to_numpy()
    left = np.flatnonzero(np.isnat(dates) & ~missing)
    if spec.written is not None and len(left):
        dates = dates.copy()
        dates[left] = _read_form(plain.take(pa.array(left)), spec.written.dates)
    return Read(dates, np.isnat(dates) & ~missing)


def _read_form(fields: pa.ChunkedArray, form: DateForm) -> Any:
    if not is_numbered(form):
        return read_form(fields, form)
    numbers = number.from_text(fields, ColumnSpec("", "number", "float64")).values
    return read_numbered(numbers, form)


def from_numbers(column: pd.Series, spec: ColumnSpec) -> Read:
    """A bare number is refused, not guessed, unless the schema has what it counts."""
    if spec.written is None or not is_numbered(spec.written.dates):
        return refuse_all(column, np.datetime64("NaT", "us"))
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    dates = read_numbered(numbers, spec.written.dates)
    return Read(dates, np.isnat(dates) & ~np.isnan(numbers))


def from_truths(column: pd.Series, spec: ColumnSpec) -> Read:
    """Truth values are not dates."""
    return refuse_all(column, np.datetime64("NaT", "us"))


def from_dates(column: pd.Series, spec: ColumnSpec) -> Read:
    """Dates and times, in UTC where they have a zone."""
    if column.dtype == object:
        found = [_microseconds(value) for value in column]
        values = pa.array(found, pa.int64()).cast(pa.timestamp("us"))
    else:
        plain = column if column.dt.tz is None else column.dt.tz_convert(None)
        values = pc.cast(pa.array(plain, from_pandas=True), pa.timestamp("us"), safe=False)
    values = _in_years(values)
    gaps = gaps_of(column)
    dates = values.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    return Read(dates, gaps_of(dates) & ~gaps)


def parse(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain fields -> timestamps in microseconds; null where they are not dates."""
    if all_plain(plain):
        return _in_years(_naive(plain))
    zoned = pc.match_substring_regex(plain, ZONED)
    without = pc.if_else(
        pc.match_substring_regex(plain, PLAIN), plain, pa.scalar(None, pa.string())
    )
    offsets = pc.if_else(zoned, plain, pa.scalar(None, pa.string()))
    moments = _shortened(offsets).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    return _in_years(pc.coalesce(_naive(without), moments))


def all_plain(plain: pa.ChunkedArray) -> bool:
    """Whether every field is a date without an offset."""
    return bool(pc.all(pc.match_substring_regex(plain, PLAIN)).as_py())


def date_fields(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where a plain field is a date; null where it is missing."""
    return pc.if_else(pc.is_null(plain), pa.scalar(None, pa.bool_()), pc.is_valid(parse(plain)))


def _naive(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    return _shortened(plain).cast(pa.timestamp("us"))


def _shortened(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """To the microsecond, with the capital letters that Arrow reads."""
    upper = pc.ascii_upper(plain)
    return pc.replace_substring_regex(upper, _NANOSECONDS, r"\1")


def _in_years(values: Any) -> Any:
    """Null where a date is outside the years that Python's own have, 1 to 9999."""
    if are_in_years(values):
        return values
    numbers = values.cast(pa.int64())
    inside = pc.and_(pc.greater_equal(numbers, _FIRST), pc.less(numbers, _AFTER))
    return pc.if_else(inside, values, pa.scalar(None, values.type))


def are_in_years(dates: pa.ChunkedArray) -> bool:
    """Whether all dates lie in the years 1 to 9999."""
    span = pc.min_max(dates.cast(pa.int64())).as_py()
    return span["min"] is None or (span["min"] >= _FIRST and span["max"] < _AFTER)


def _microseconds(value: Any) -> int | None:
    """Since 1970; None for a gap, the year 0 for a moment that has no place in UTC."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[us]").astype(np.int64))
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    epoch = _EPOCH if value.tzinfo is None else _EPOCH_UTC
    try:
        return (value - epoch) // datetime.timedelta(microseconds=1)
    except OverflowError:
        return _FIRST - 1


def to_days(text: str) -> float | None:
    """Days since 1970 of one text, as the preprocessor counts them; None where it is not a date.

    >>> to_days("1970-01-02T12:00")
    1.5
    """
    if not _ANY.fullmatch(text):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.upper())
    except ValueError:  # the year 0
        return None
    days = (moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)) / _ONE_DAY
    return days if _FIRST_DAY <= days < _LAST_DAY else None


def checks(spec: ColumnSpec) -> Mapping[str, Any]:
    """A date has no rule besides being one."""
    return {}


def noun(spec: ColumnSpec) -> str:
    """What the values must be, in a message."""
    return f"dates like {_EXAMPLES.get(_form_of(spec), EXAMPLE)}"


def fault(spec: ColumnSpec, rule: str, value: Any) -> str:
    """What is wrong with one value: `must be ...`."""
    return f"must be a date like {_EXAMPLES.get(_form_of(spec), EXAMPLE)}"


def json_type(spec: ColumnSpec, any_value: bool) -> dict[str, Any]:
    """The JSON schema of one value."""
    if _form_of(spec) in NUMBERED:
        return {"type": "number", "description": (spec.written or PLAIN_FORM).describe()}
    return {
        "type": "string",
        "anyOf": [{"format": "date"}, {"format": "date-time"}],
        "description": f"a date like {EXAMPLE}, or a time like {EXAMPLE}T23:59:00Z",
    }


def example(spec: ColumnSpec) -> Any:
    """A value that is right."""
    form = _form_of(spec)  # a server takes ISO dates in every column that has no numbers
    return _EXAMPLES[form] if form in NUMBERED else EXAMPLE


def _form_of(spec: ColumnSpec) -> DateForm:
    return "iso" if spec.written is None else spec.written.dates


def infer(column: pd.Series, name: str) -> ColumnSpec | None:
    """The column's first spec; None when it holds no dates."""
    if not pd.api.types.is_datetime64_any_dtype(column):
        return None
    return ColumnSpec(name, "date", "datetime64[us]", bool(column.isna().any()))
