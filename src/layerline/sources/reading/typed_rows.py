"""The rows of one file in the types of their columns, and what is found while they are read."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from layerline.columns.convert import Parsed
from layerline.columns.survey import ColumnType
from layerline.errors import DataError
from layerline.sources.reading.batches import Batch, Column, typed
from layerline.sources.reading.file_surveys import Part
from layerline.sources.reading.unchanged import reporting_unreadable
from layerline.tables.threads import beside


def schema_of(kinds: Mapping[str, ColumnType]) -> pa.Schema:
    """The columns in their types."""
    return pa.schema([(name, kind.type) for name, kind in kinds.items()])


class RangeProblems:
    """Numbers that a 64-bit float cannot hold: the first of each column, and how many."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, path: Path, name: str, parsed: Parsed, n_before: int) -> None:
        """Look at some rows of a column; `n_before` rows of the file come before them."""
        for rows, what in ((parsed.too_large, "infinite"), (parsed.too_small, "zero")):
            if rows:
                row, written = n_before + rows[0] + 1, parsed.written[rows[0]]
                first = f"{path}: column {name!r}, data row {row}: {written} would become {what}"
                self._first.setdefault((name, what), first)
                self._counts[name, what] += len(rows)

    def merge(self, later: "RangeProblems") -> None:
        """Add those of the files that follow."""
        for at, first in later._first.items():
            self._first.setdefault(at, first)
        self._counts.update(later._counts)

    def require_none(self) -> None:
        """Refuse the files when there was a problem.

        Raises:
            DataError: each column with its first such value.
        """
        lines = [
            f"{first} as a 64-bit number ({self._counts[at]} such values); correct it, or list "
            "the column in fetch.options.text"
            for at, first in self._first.items()
        ]
        if lines:
            raise DataError("\n".join(lines))


class Found(NamedTuple):
    """What was found in a file: its path, size, sha256 and row count; notes; range problems."""

    file: dict[str, Any]
    notes: tuple[str, ...]
    problems: RangeProblems


class TypedRows:
    """The rows of one file.

    Attributes:
        found: complete when all tables were read.
    """

    def __init__(self, part: Part, kinds: Mapping[str, ColumnType]) -> None:
        self._part, self._kinds, self._schema = part, kinds, schema_of(kinds)
        self._notes: dict[str, None] = {}
        self._problems = RangeProblems()
        self._file: dict[str, Any] = {}

    @property
    def found(self) -> Found:
        return Found(self._file, tuple(self._notes), self._problems)

    def tables(self) -> Iterator[pa.Table]:
        """Read every row.

        Raises:
            DataError: malformed.
            SourceError: the file cannot be read, is damaged, or was changed meanwhile.
        """
        part, n_rows = self._part, 0
        with reporting_unreadable(part.path), beside(part.guard.sha256) as sha256:
            for batch in part.stream.batches(None):
                yield self._table(batch, n_rows)
                n_rows += batch.n_rows
            self._file = {**part.guard.check(sha256()), "n_rows": n_rows}

    def _table(self, batch: Batch, n_before: int) -> pa.Table:
        self._notes |= dict.fromkeys(batch.notes)
        columns = {}
        for name, kind in self._kinds.items():
            parsed = typed(self._column(batch, name), kind)
            self._problems.add(self._part.path, name, parsed, n_before)
            columns[name] = parsed.values
        return pa.table(columns, schema=self._schema)

    def _column(self, batch: Batch, name: str) -> Column:
        if name in self._part.partition:
            value = pa.array([self._part.partition[name]] * batch.n_rows, pa.string())
            return Column(pa.chunked_array([value]), "fields")
        if name not in batch.columns:  # an object without this key
            return Column(pa.chunked_array([pa.nulls(batch.n_rows)]))
        return batch.columns[name]
