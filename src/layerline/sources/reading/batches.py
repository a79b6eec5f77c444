"""A file as a sequence of batches, and the type that a column has in all batches of all files.

A reader of one kind of file returns a `Stream`. Its columns are typed already (Parquet, Arrow), or
text whose type is found from the whole column (CSV, the numbers of JSON lines). A `ColumnSurvey`
looks at every batch of a column; `typed` then converts them one by one.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from layerline.columns.convert import Parsed, convert
from layerline.columns.survey import ANYTHING, Candidate, ColumnType, FieldSurvey, Span
from layerline.errors import DataError

BATCH_ROWS = 1 << 16

# How a column's values stand in a batch: as fields of a CSV file, digits of a number, text that may
# be dates, or typed.
Form = Literal["fields", "numbers", "text", "typed"]
_CANDIDATES: dict[Form, tuple[Candidate, ...]] = {
    "fields": ANYTHING,
    "numbers": ("whole", "decimal"),
    "text": ("date",),
}


class Column(NamedTuple):
    """Some rows of one column."""

    values: pa.ChunkedArray
    form: Form = "typed"


class Batch(NamedTuple):
    """Some rows of a file: all columns, or those asked for."""

    n_rows: int
    columns: dict[str, Column]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stream:
    """One file that can be read again and again.

    Attributes:
        batches: reads the columns named, or all; equal each time while the file is.
        names: its columns; null when they are known only after every row was read.
        types: of columns whose type does not depend on their values.
        unusable: columns that are left out -> why.
    """

    path: Path
    batches: Callable[[Collection[str] | None], Iterator[Batch]]
    names: tuple[str, ...] | None = None
    types: dict[str, pa.DataType] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)


def typed(column: Column, kind: ColumnType) -> Parsed:
    """Some rows of a column as the type of the whole column."""
    values = column.values
    if column.form != "typed":
        return convert(values, kind)
    if values.null_count == len(values):
        return Parsed(pa.chunked_array([pa.nulls(len(values), kind.type)]))
    return Parsed(values if values.type == kind.type else values.cast(kind.type))


class ColumnSurvey:
    """Looks at one column in all batches of all files."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fields: FieldSurvey | None = None
        self._kinds: dict[pa.DataType | Form, Path] = {}
        self._span = Span()

    def add(self, column: Column, path: Path) -> None:
        """Look at some more rows.

        Raises:
            DataError: no type holds both these and earlier ones.
        """
        values, form = column
        if values.null_count == len(values):
            self._add_gap(len(values))
            return
        if form == "typed":
            self._add_kind(values.type, path)
            if values.type == pa.int64():
                self._span.add(values)
            self._span.has_gap |= values.null_count > 0
            return
        self._add_kind(form, path)
        if self._fields is None:
            self._fields = FieldSurvey(_CANDIDATES[form], words=form != "text")
            self._fields.add(pa.chunked_array([pa.nulls(int(self._span.has_gap), pa.string())]))
        self._fields.add(values)

    def take(self, kind: pa.DataType, path: Path) -> None:
        """Rely on a type that does not depend on the values."""
        self._add_kind(kind, path)

    def agrees_with(self, later: "ColumnSurvey") -> bool:
        """Whether one type may hold these rows and those of another survey."""
        kinds = self._kinds.keys() | later._kinds.keys()
        return len(kinds) < 2 or kinds == {pa.int64(), pa.float64()}

    def merge(self, later: "ColumnSurvey") -> None:
        """Add what another survey, which agrees, learnt of the rows that follow."""
        for kind, path in later._kinds.items():
            self._add_kind(kind, path)
        self._span.merge(later._span)
        if self._fields is None:
            self._fields = later._fields
        elif later._fields is not None:
            self._fields.merge(later._fields)
        if self._fields is not None:
            self._fields.add(pa.chunked_array([pa.nulls(int(self._span.has_gap), pa.string())]))

    def _add_gap(self, length: int) -> None:
        self._span.has_gap |= length > 0
        if self._fields is not None:
            self._fields.add(pa.chunked_array([pa.nulls(length, pa.string())]))

    def _add_kind(self, kind: pa.DataType | Form, path: Path) -> None:
        if kind in self._kinds:
            return
        self._kinds[kind] = path
        if len(self._kinds) > 1 and set(self._kinds) != {pa.int64(), pa.float64()}:
            raise DataError(self._conflict())

    def _conflict(self) -> str:
        (kind, path), (other, other_path) = list(self._kinds.items())[-2:]
        if path == other_path:
            found = " and ".join(sorted((_called(kind), _called(other))))
            return f"{path}: column {self._name!r} holds {found}; give it one type"
        found = f"{_called(kind)} in {path} and {_called(other)} in {other_path}"
        return f"column {self._name!r} is {found}; give it one type in all files"

    @property
    def fields(self) -> FieldSurvey | None:
        """What was learnt of text fields; None for other columns."""
        return self._fields

    @property
    def result(self) -> ColumnType:
        """The type of every row seen.

        Raises:
            DataError: whole numbers that no decimal gives back, beside decimals.
        """
        if self._fields is not None:
            return self._fields.result
        kinds = set(self._kinds)
        if kinds == {pa.int64(), pa.float64()}:
            self._span.has_gap = True
            if not self._span.is_exact:
                raise DataError(
                    f"column {self._name!r} has decimals in one file and whole numbers beyond 2^53 "
                    "in another; give it one type in all files"
                )
            return ColumnType(pa.float64())
        if kinds == {pa.int64()} and not self._span.is_exact:
            return ColumnType(pa.string(), "whole numbers beyond 2^53")
        return ColumnType(next(iter(kinds), pa.float64()))


def _called(kind: pa.DataType | Form) -> str:
    return "true/false" if kind == pa.bool_() else str(kind)
