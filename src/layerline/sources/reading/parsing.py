"""Text fields of a whole column -> the one type that all of them have, exactly.

A column is whole numbers, decimals, true/false, ISO dates or text; one field that does not fit
makes it text, so nothing is guessed row by row. `00123`, `+5`, `1,5` and whole numbers beyond 64
bits stay text, because a number would not give back what was written. Decimals are read to the
nearest 64-bit float; one that would become infinite or zero (`1e400`, `1e-400`) is a problem.

An empty field is missing in every column. MISSING_WORDS are missing in columns that are otherwise
numbers, dates or true/false (R and NumPy write them so); in a column of text they are text.

`FieldSurvey` looks at a column piece by piece, `convert` then types each piece;
`parse_column` is both for a column that is in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
EXACT_FLOAT = 2**53  # whole numbers beyond it have no exact float64

_WHOLE = r"^(?:0|-?[1-9][0-9]*)$"
_DECIMAL = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_TRUTH = r"^(?:true|false|True|False|TRUE|FALSE)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?$"

_FIRST, _AFTER = -62135596800 * 10**6, 253402300800 * 10**6  # microseconds since 1970

Candidate = Literal["whole", "decimal", "truth", "date"]
ANYTHING: tuple[Candidate, ...] = ("whole", "decimal", "truth", "date")


@dataclass(frozen=True)
class Parsed:
    """A typed column, and the positions of fields that its type cannot hold."""

    values: pa.ChunkedArray
    too_large: tuple[int, ...] = ()  # decimals that would become infinite
    too_small: tuple[int, ...] = ()  # decimals that would become zero
    note: str | None = None
    written: Mapping[int, str] = field(default_factory=dict)  # the first field of each kind


class ColumnType(NamedTuple):
    """What a column is read as, and why it is text where one might expect numbers."""

    type: pa.DataType
    note: str | None = None


TEXT = ColumnType(pa.string())


class Span:
    """The smallest and the largest of whole numbers, and whether one is missing beside them."""

    def __init__(self) -> None:
        self.low = self.high = 0
        self.has_gap = False

    def add(self, values: pa.ChunkedArray) -> None:
        self.has_gap |= values.null_count > 0
        found = pc.min_max(values).as_py()
        if found["min"] is not None:
            self.low, self.high = min(self.low, found["min"]), max(self.high, found["max"])

    @property
    def is_exact(self) -> bool:
        """Whether all survive as they are: beside a missing value the column becomes float64."""
        return not self.has_gap or (self.low >= -EXACT_FLOAT and self.high <= EXACT_FLOAT)


class FieldSurvey:
    """Which types the fields of one column can have, learnt piece by piece.

    Args:
        candidates: the types that are possible at all.
        words: whether MISSING_WORDS may stand for a missing value, and blanks around a field
            mean nothing.
    """

    def __init__(self, candidates: tuple[Candidate, ...] = ANYTHING, *, words: bool = True) -> None:
        self._candidates = set(candidates)
        self._are_numbers = set(candidates) == {"whole", "decimal"}  # whatever they are
        self._words = words
        self._has_field = self._has_plain = self._has_finite = self._beyond_64_bits = False
        self._span = Span()

    def add(self, fields: pa.ChunkedArray) -> None:
        """Look at some more rows; empty fields are already null."""
        if fields.null_count == len(fields):
            self._span.has_gap |= len(fields) > 0
            return
        self._has_field = True
        if not self._candidates:
            return
        plain = plain_fields(fields) if self._words else fields
        self._span.has_gap |= plain.null_count > 0
        if plain.null_count < len(plain):
            self._has_plain = True
            self._narrow(plain)

    def _narrow(self, plain: pa.ChunkedArray) -> None:
        possible = self._candidates
        if "whole" in possible and self._are_whole(plain):
            self._candidates = possible & {"whole", "decimal"}
            return
        possible.discard("whole")
        if "decimal" in possible:
            finite = pc.match_substring_regex(plain, _DECIMAL)
            self._has_finite = self._has_finite or bool(pc.any(finite).as_py())
            if not pc.all(finite).as_py() and not _all_match(
                plain.filter(pc.invert(finite)), _INFINITE
            ):
                possible.discard("decimal")
        if "truth" in possible and not _all_match(plain, _TRUTH):
            possible.discard("truth")
        if "date" in possible and not _are_dates(plain):
            possible.discard("date")

    def _are_whole(self, plain: pa.ChunkedArray) -> bool:
        if not _all_match(plain, _WHOLE):
            return False
        self._has_finite = True
        if not self._beyond_64_bits:
            try:
                self._span.add(plain.cast(pa.int64()))
            except pa.ArrowInvalid:
                self._beyond_64_bits = True
        return True

    @property
    def result(self) -> ColumnType:
        """The type of the rows seen."""
        if not self._has_field:
            return ColumnType(pa.float64())
        if not self._has_plain:
            return ColumnType(pa.float64()) if self._are_numbers else TEXT
        if "whole" in self._candidates:
            if self._beyond_64_bits:
                return ColumnType(pa.string(), "whole numbers beyond 64 bits")
            if not self._span.is_exact:
                return ColumnType(pa.string(), "whole numbers beyond 2^53")
            return ColumnType(pa.int64())
        if "decimal" in self._candidates and (self._has_finite or self._are_numbers):
            return ColumnType(pa.float64())
        if "truth" in self._candidates:
            return ColumnType(pa.bool_())
        return ColumnType(pa.timestamp("us")) if "date" in self._candidates else TEXT


def convert(fields: pa.ChunkedArray, kind: ColumnType) -> Parsed:
    """The values of fields whose column is of this type."""
    if fields.null_count == len(fields):
        return Parsed(fields.cast(kind.type))
    if kind.type == pa.string():
        return Parsed(fields, note=kind.note)
    plain = plain_fields(fields)
    if kind.type == pa.float64():
        return _decimals(plain)
    if kind.type == pa.bool_():
        return Parsed(pc.equal(pc.utf8_lower(plain), "true"))
    return Parsed(plain.cast(kind.type))


def parse_column(fields: pa.ChunkedArray) -> Parsed:
    """The typed values of a column of text fields; empty fields are already null."""
    survey = FieldSurvey()
    survey.add(fields)
    return convert(fields, survey.result)


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


def _all_match(plain: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(plain, pattern)).as_py())


def _are_dates(plain: pa.ChunkedArray) -> bool:
    if not _all_match(plain, _DATE):
        return False
    try:
        return are_in_years(plain.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:  # 2024-02-30: looks like a date, is none
        return False


def are_in_years(dates: pa.ChunkedArray) -> bool:
    """Whether all dates lie in the years that Python's own have, 1 to 9999."""
    span = pc.min_max(dates.cast(pa.int64())).as_py()
    return span["min"] is None or (span["min"] >= _FIRST and span["max"] < _AFTER)


def _decimals(plain: pa.ChunkedArray) -> Parsed:
    values = plain.cast(pa.float64())
    too_large = _those(pc.is_inf(values), plain, _DECIMAL)
    too_small = _those(pc.equal(values, 0.0), plain, r"^[^eE]*[1-9]")
    first = {row: plain[row].as_py() for row in (*too_large[:1], *too_small[:1])}
    return Parsed(values, too_large, too_small, written=first)


def _those(mask: pa.ChunkedArray, plain: pa.ChunkedArray, pattern: str) -> tuple[int, ...]:
    """The positions in the mask whose field is written as the pattern says."""
    if not pc.any(mask).as_py():
        return ()
    positions = pc.indices_nonzero(pc.fill_null(mask, False))
    return tuple(
        positions.filter(pc.match_substring_regex(plain.take(positions), pattern)).to_pylist()
    )
