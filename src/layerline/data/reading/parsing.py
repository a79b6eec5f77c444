"""Text fields of a whole column -> the one type that all of them have, exactly.

A column is whole numbers, decimals, true/false, ISO dates or text; one field that does not fit
makes it text, so nothing is guessed row by row. `00123`, `+5`, `1,5` and whole numbers beyond 64
bits stay text, because a number would not give back what was written. Decimals are read to the
nearest 64-bit float; one that would become infinite or zero (`1e400`, `1e-400`) is a problem.

An empty field is missing in every column. MISSING_WORDS are missing in columns that are otherwise
numbers, dates or true/false (R and NumPy write them so); in a column of text they are text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
EXACT_FLOAT = 2**53  # whole numbers beyond it have no exact float64

_WHOLE = r"^(?:0|-?[1-9][0-9]*)$"
_DECIMAL = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_TRUTH = r"^(?:true|false|True|False|TRUE|FALSE)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?$"


@dataclass(frozen=True)
class Parsed:
    """A typed column, and the positions of fields that its type cannot hold."""

    values: pa.ChunkedArray
    too_large: tuple[int, ...] = ()  # decimals that would become infinite
    too_small: tuple[int, ...] = ()  # decimals that would become zero
    note: str | None = None
    written: Mapping[int, str] = field(default_factory=dict)  # the first field of each kind


def parse_column(fields: pa.ChunkedArray) -> Parsed:
    """The typed values of a column of text fields; empty fields are already null."""
    if fields.null_count == len(fields):
        return Parsed(fields.cast(pa.float64()))
    plain = plain_fields(fields)
    if plain.null_count == len(plain):
        return Parsed(fields)
    if _all_match(plain, _WHOLE):
        return _whole_numbers(plain, fields)
    if is_numeric(plain):
        return _decimals(plain)
    if _all_match(plain, _TRUTH):
        return Parsed(pc.equal(pc.utf8_lower(plain), "true"))
    if _all_match(plain, _DATE):
        try:
            return Parsed(plain.cast(pa.timestamp("us")))
        except pa.ArrowInvalid:  # 2024-02-30: looks like a date, is none
            return Parsed(fields)
    return Parsed(fields)


def plain_fields(fields: pa.ChunkedArray) -> pa.ChunkedArray:
    """Fields without blanks around them, the words for a missing value as null."""
    trimmed = pc.utf8_trim(fields, characters=" \t")
    missing = pc.is_in(trimmed, value_set=pa.array(MISSING_WORDS))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def numeric_fields(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where a field is a number, with `inf` as one; null where it is missing."""
    return pc.or_(
        pc.match_substring_regex(plain, _DECIMAL), pc.match_substring_regex(plain, _INFINITE)
    )


def date_fields(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where a field is written as an ISO date; null where it is missing."""
    return pc.match_substring_regex(plain, _DATE)


def is_numeric(plain: pa.ChunkedArray) -> bool:
    """Whether every field is a number, and at least one of them a finite one."""
    if not pc.all(numeric_fields(plain)).as_py():
        return False
    return bool(pc.any(pc.match_substring_regex(plain, _DECIMAL)).as_py())


def _all_match(plain: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(plain, pattern)).as_py())


def _whole_numbers(plain: pa.ChunkedArray, fields: pa.ChunkedArray) -> Parsed:
    try:
        values = plain.cast(pa.int64())
    except pa.ArrowInvalid:
        return Parsed(fields, note="whole numbers beyond 64 bits")
    return (
        Parsed(values) if fits_float(values) else Parsed(fields, note="whole numbers beyond 2^53")
    )


def fits_float(values: pa.ChunkedArray) -> bool:
    """Whether whole numbers survive a missing value beside them, which makes the column float64."""
    if not values.null_count:
        return True
    span = pc.min_max(values).as_py()
    return span["min"] is None or (span["min"] >= -EXACT_FLOAT and span["max"] <= EXACT_FLOAT)


def _decimals(plain: pa.ChunkedArray) -> Parsed:
    values = plain.cast(pa.float64())
    written_finite = pc.match_substring_regex(plain, _DECIMAL)
    written_nonzero = pc.match_substring_regex(plain, r"^[^eE]*[1-9]")
    overflown = pc.and_(pc.is_inf(values), written_finite)
    underflown = pc.and_(pc.and_(pc.equal(values, 0.0), written_finite), written_nonzero)
    too_large, too_small = _positions(overflown), _positions(underflown)
    first = {row: plain[row].as_py() for row in (*too_large[:1], *too_small[:1])}
    return Parsed(values, too_large, too_small, written=first)


def _positions(mask: pa.ChunkedArray) -> tuple[int, ...]:
    if not pc.any(mask).as_py():
        return ()
    return tuple(pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist())
