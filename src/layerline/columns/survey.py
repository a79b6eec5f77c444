"""Text fields of a whole column -> the one type that all of them have, exactly.

A column is whole numbers, decimals, truth values, dates or text; one field that does not fit makes
it text, so nothing is guessed row by row. `00123`, `1,5` and whole numbers beyond 64 bits stay
text, because a number would not give back what was written. A decimal that would become infinite
or zero (`1e400`, `1e-400`) is a problem of its column.

`FieldSurvey` looks at a column piece by piece, `convert` then types each piece; `parse_column` is
both for a column that is in memory.
"""

from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns import date, number, truth
from layerline.columns.forms import ColumnForms
from layerline.columns.missing import plain_fields
from layerline.columns.written import Written

Candidate = Literal["whole", "decimal", "truth", "date"]
ANYTHING: tuple[Candidate, ...] = ("whole", "decimal", "truth", "date")


class ColumnType(NamedTuple):
    """What a column is read as.

    Attributes:
        type: of its values.
        note: why it is text where one might expect numbers.
        written: how its text stands for values, where that is not the plain way.
    """

    type: pa.DataType
    note: str | None = None
    written: Written | None = None


TEXT = ColumnType(pa.string())
_FIRST_FIELDS = 100


class Span:
    """The smallest and the largest of whole numbers, and whether one is missing next to them."""

    def __init__(self) -> None:
        self.low = self.high = 0
        self.has_gap = False

    def add(self, values: pa.ChunkedArray) -> None:
        self.has_gap |= values.null_count > 0
        found = pc.min_max(values).as_py()
        if found["min"] is not None:
            self.low, self.high = min(self.low, found["min"]), max(self.high, found["max"])

    def merge(self, other: "Span") -> None:
        """Add what was seen of other rows."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.has_gap |= other.has_gap

    @property
    def is_exact(self) -> bool:
        """Whether all keep their value: beside a missing one the column becomes float64."""
        limit = number.EXACT_FLOAT
        return not self.has_gap or (self.low >= -limit and self.high <= limit)


class FieldSurvey:
    """Which types the fields of one column can have, learnt piece by piece.

    Args:
        candidates: the types that are possible at all.
        words: whether MISSING_WORDS may stand for a missing value, and blanks around a field
            mean nothing.
    """

    def __init__(self, candidates: tuple[Candidate, ...] = ANYTHING, *, words: bool = True) -> None:
        self._candidates = set(candidates)
        self._started = False
        self.forms = (
            ColumnForms() if words and set(candidates) >= {"decimal", "truth", "date"} else None
        )
        self.is_open = False  # its earlier fields are to be looked at again, for their form
        self._are_numbers = set(candidates) == {"whole", "decimal"}  # whatever they are
        self._words = words
        self._has_field = self._has_plain = self._has_finite = self._beyond_64_bits = False
        self._span = Span()

    def add(self, fields: pa.ChunkedArray) -> None:
        """Look at some more rows; empty fields are null already."""
        if fields.null_count == len(fields):
            self._span.has_gap |= len(fields) > 0
            return
        self._has_field = True
        if not self._candidates and (self.forms is None or not self.forms.is_possible):
            return
        plain = plain_fields(fields) if self._words else fields
        self._span.has_gap |= plain.null_count > 0
        if plain.null_count == len(plain):
            return
        had_types = bool(self._candidates)
        self._has_plain = True
        if had_types:
            self._narrow(plain)
        if not self._candidates and self.forms is not None:
            self.is_open |= had_types and self._started
            self.forms.add(plain)
        self._started = True

    def merge(self, later: "FieldSurvey") -> None:
        """Add what another survey learnt of the rows that follow.

        No field fits two types, but that whole numbers are decimals: so the types of all rows are
        those that both parts allow. The forms are open where some rows were not looked at for them.
        """
        self._span.merge(later._span)
        self._has_field |= later._has_field
        self._has_finite |= later._has_finite
        self._beyond_64_bits |= later._beyond_64_bits
        if not later._has_plain:
            return
        had_types = bool(self._candidates)
        self._candidates &= later._candidates
        if self.forms is not None and later.forms is not None and not self._candidates:
            was_seen = not later._candidates and not later.is_open
            self.is_open |= not was_seen or (had_types and self._started)
            self.forms.merge(later.forms)
        self._has_plain = self._started = True

    @property
    def is_exhausted(self) -> bool:
        """Whether no type but text is left."""
        return self._has_plain and not self._candidates

    def _narrow(self, plain: pa.ChunkedArray) -> None:
        possible = self._candidates
        if "whole" in possible and _begins_so(plain, number.WHOLE) and self._are_whole(plain):
            self._candidates = possible & {"whole", "decimal"}
            return
        possible.discard("whole")
        if "decimal" in possible:
            finite = pc.match_substring_regex(plain, number.DECIMAL)
            self._has_finite = self._has_finite or bool(pc.any(finite).as_py())
            if not pc.all(finite).as_py() and not _all_match(
                plain.filter(pc.invert(finite)), number.INFINITE
            ):
                possible.discard("decimal")
        if "truth" in possible and not pc.all(truth.truth_fields(plain)).as_py():
            possible.discard("truth")
        if "date" in possible and not pc.all(date.date_fields(plain)).as_py():
            possible.discard("date")

    def _are_whole(self, plain: pa.ChunkedArray) -> bool:
        values = _quick_whole(plain)
        if values is not None:
            self._has_finite = True
            self._span.add(values)
            return True
        if not _all_match(plain, number.WHOLE):
            return False
        self._has_finite = True
        if not self._beyond_64_bits:
            try:
                self._span.add(to_whole(plain))
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


def _quick_whole(plain: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Whole numbers, where none begins with a zero or a sign that needs a closer look."""
    if any(pc.any(pc.starts_with(plain, start)).as_py() for start in ("0", "-0", "+")):
        return None
    try:
        return plain.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _begins_so(plain: pa.ChunkedArray, pattern: str) -> bool:
    """Whether the first fields match; spares most columns a look at all of them."""
    return _all_match(plain.slice(0, _FIRST_FIELDS), pattern)


def _all_match(plain: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(plain, pattern)).as_py())


def to_whole(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain fields that are all whole numbers -> int64; ArrowInvalid beyond 64 bits."""
    try:
        return plain.cast(pa.int64())
    except pa.ArrowInvalid:  # it reads no plus sign
        return pc.replace_substring_regex(plain, r"^\+", "").cast(pa.int64())
