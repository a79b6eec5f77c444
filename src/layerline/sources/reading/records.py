"""Rows of Python values, as database drivers give them -> Arrow columns; no value changed."""

import datetime
import math
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from layerline.columns.number import EXACT_FLOAT
from layerline.errors import DataError

_CALLED: Mapping[type, str] = {
    bool: "true/false",
    int: "whole numbers",
    float: "decimals",
    Decimal: "decimals",
    str: "text",
    datetime.datetime: "times",
    datetime.date: "dates",
}
_NUMBERS = frozenset({int, float, Decimal})
_TIMES = frozenset({datetime.datetime, datetime.date})


def column_of(values: list[Any], where: str) -> tuple[pa.Array, str | None]:
    """The values of one column in one of the five types, and a note on them.

    Raises:
        DataError: they are of several types, or of one that cannot be used or kept exactly.
    """
    kinds = frozenset(type(value) for value in values if value is not None)
    if not kinds:
        return pa.nulls(len(values), pa.float64()), None
    if kinds == {bool}:
        return pa.array(values, pa.bool_()), None
    if kinds == {str}:
        return pa.array(values, pa.string()), None
    if kinds == {uuid.UUID}:
        return pa.array(_each(str, values), pa.string()), None
    if kinds == {int}:
        return _whole(values, where), None
    if kinds <= _NUMBERS:
        return pa.array(_each(lambda value: _float(value, where), values), pa.float64()), None
    if kinds <= _TIMES:
        zoned = any(getattr(value, "tzinfo", None) is not None for value in values)
        note = f"{where} is read in UTC, its time zone is dropped" if zoned else None
        return pa.array(_each(lambda value: _time(value, where), values), pa.timestamp("us")), note
    raise DataError(_unusable(kinds, where))


def _each(act: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [None if value is None else act(value) for value in values]


def _whole(values: list[int | None], where: str) -> pa.Array:
    try:
        return pa.array(values, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        raise DataError(
            f"{where} has whole numbers beyond 64 bits; cast it to text in the query"
        ) from None


def _float(value: float | Decimal, where: str) -> float:
    if isinstance(value, float):
        return value
    finite = isinstance(value, int) or value.is_finite()
    if isinstance(value, Decimal) and value.is_nan():
        return math.nan  # float() refuses a signalling one
    try:
        found = float(value)
    except OverflowError:  # of an int
        found = math.inf
    if finite and (math.isinf(found) or (found == 0 and value != 0)):
        became = "infinite" if math.isinf(found) else "zero"
        raise DataError(f"{where} has {value}, which would become {became}; fix it")
    is_whole = finite and (isinstance(value, int) or value == value.to_integral_value())
    if is_whole and abs(value) > EXACT_FLOAT and found != value:
        raise DataError(
            f"{where} has {value}, an integer that a 64-bit float cannot represent; "
            "cast it to text in the query"
        )
    return found


def _time(value: datetime.datetime | datetime.date, where: str) -> datetime.datetime:
    if not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time())
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    except OverflowError:
        raise DataError(
            f"{where} has {value}, which in UTC is outside the years 1 to 9999; fix it"
        ) from None


def _unusable(kinds: frozenset[type], where: str) -> str:
    odd = sorted(kind.__name__ for kind in kinds if kind not in _CALLED)
    if odd:
        return (
            f"{where} is of type {odd[0]}, which cannot be used; cast it to numbers, text, dates "
            "or true/false in the query, or leave it out"
        )
    found = " and ".join(sorted({_CALLED[kind] for kind in kinds}))
    return f"{where} holds {found}; give it one type in the query"
