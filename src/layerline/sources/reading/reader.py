"""The user's files of any kind, one or many -> one Arrow table in the five column types.

`open_files` returns it piece by piece, for the sources; `read_files` and `read_frame` return it
whole, for those who take a table from the user later (predict, serving), so that a value means the
same there. Nothing is changed silently: what cannot be kept exactly is refused, kept as text, or
noted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from layerline.columns.forms import UNDECIDED, Choices
from layerline.columns.survey import TEXT, ColumnType
from layerline.columns.written import PLAIN, Written
from layerline.errors import DataError
from layerline.sources.reading.batches import Stream
from layerline.sources.reading.column_types import survey_columns
from layerline.sources.reading.columnar import open_columnar
from layerline.sources.reading.delimited import open_fields
from layerline.sources.reading.dialect import Dialect
from layerline.sources.reading.encoding import marked_encoding
from layerline.sources.reading.file_columns import absent_columns, require_equal_columns
from layerline.sources.reading.file_surveys import Part
from layerline.sources.reading.json_lines import open_json_lines
from layerline.sources.reading.on_cluster import Crew, find_crew
from layerline.sources.reading.paths import DELIMITED, PARQUET, find_files, kind_of
from layerline.sources.reading.typed_rows import Found, RangeProblems, TypedRows, schema_of
from layerline.sources.reading.unchanged import Unchanged, reporting_unreadable
from layerline.tables.storage import to_frame

__all__ = ["DELIMITED", "PARQUET", "FileTable", "Reading", "find_files", "open_files", "read_files"]
__all__ += ["find_crew", "read_frame"]


class FileTable(NamedTuple):
    """What was read: the rows of all files in order, notes for the user, and each file's sha256."""

    table: pa.Table
    notes: tuple[str, ...]
    files: tuple[dict[str, Any], ...]
    unusable: Mapping[str, str] = MappingProxyType({})
    written: Mapping[str, Written] = {}  # columns whose text is not written the plain way


class Reading:
    """The rows of all files, in order, as tables of one schema.

    Attributes:
        schema: the columns in their types.
        notes: for the user; complete when all tables were read.
        files: each file's path, size, sha256 and row count; the same.
        unusable: columns of the files that are left out -> why.
    """

    def __init__(
        self, parts: Sequence[Part], kinds: Mapping[str, ColumnType], crew: Crew | None = None
    ) -> None:
        self.schema = schema_of(kinds)
        self.notes = [note for part in parts for note in part.stream.notes]
        self.files: list[dict[str, Any]] = []
        self.unusable = {
            name: reason for part in parts for name, reason in part.stream.unusable.items()
        }
        self._parts, self._kinds, self._crew = parts, kinds, crew
        for name, kind in kinds.items():
            if kind.written is not None and kind.written != PLAIN:
                self._note(f"column {name!r} is read as {kind.written.describe()}")
            if kind.note:
                self._note(f"column {name!r} is kept as text: it holds {kind.note}")

    @property
    def written(self) -> dict[str, Written]:
        """The columns whose text is not written the plain way, and how it is."""
        kinds = self._kinds.items()
        return {n: k.written for n, k in kinds if k.written is not None and k.written != PLAIN}

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def tables(self) -> Iterator[pa.Table]:
        """Read every row.

        Raises:
            DataError: malformed, no rows, values that no type can hold.
            SourceError: a file cannot be read, is damaged, or was changed meanwhile.
        """
        problems = RangeProblems()
        if self._crew is None:
            for part in self._parts:
                rows = TypedRows(part, self._kinds)
                yield from rows.tables()
                self._take(rows.found, problems)
        else:
            with closing(self._crew.rows(self._parts, self._kinds)) as written:
                for one in written:
                    yield from one.tables()
                    self._take(one.found, problems)
        problems.require_none()
        if not any(file["n_rows"] for file in self.files):
            paths = [part.path for part in self._parts]
            raise DataError(f"{_names_of(paths)}: there is a header but no row of data")

    def _take(self, found: Found, problems: RangeProblems) -> None:
        for note in found.notes:
            self._note(note)
        problems.merge(found.problems)
        self.files.append(found.file)


def open_files(
    paths: Sequence[Path],
    dialect: Dialect | None = None,
    text: Iterable[str] = (),
    partitions: Mapping[Path, Mapping[str, str | None]] | None = None,
    union: bool = False,
    choices: Choices = UNDECIDED,
) -> Reading:
    """Open files of one kind as one table; every file must have the same columns.

    Args:
        paths: as `find_files` gives them.
        dialect: how CSV files are written.
        text: columns that are text whatever their values look like; unknown names are ignored.
        partitions: columns whose values are in the names of a file's folders.
        union: read a column that a file lacks as missing there, instead of refusing the file.
        choices: how numbers and dates are written, where their values leave it open.

    Raises:
        DataError: empty, malformed, columns that differ, a column without one type.
        SourceError: a file cannot be read, or its bytes are damaged.
    """
    return read_parts(open_parts(paths, dialect, partitions), text, union, choices)


def open_parts(
    paths: Sequence[Path],
    dialect: Dialect | None = None,
    partitions: Mapping[Path, Mapping[str, str | None]] | None = None,
    crew: Crew | None = None,
) -> list[Part]:
    """Open each file, here or by a crew of workers; arguments and errors as of `open_files`."""
    folded = partitions or {}
    items = [(path, folded.get(path, {})) for path in paths]
    open_one = partial(_open_part, dialect or Dialect())
    if crew is None or len(items) < 2:
        return [open_one(item) for item in items]
    return crew.open(open_one, items)


def read_parts(
    parts: Sequence[Part],
    text: Iterable[str] = (),
    union: bool = False,
    choices: Choices = UNDECIDED,
    crew: Crew | None = None,
) -> Reading:
    """Open files as one table, as `open_files` does; several by a crew of workers."""
    crew = crew if len(parts) > 1 else None
    if not union:
        require_equal_columns([(part.path, part.names) for part in parts if part.stream.names])
    surveyed = survey_columns(parts, set(text), choices, None if crew is None else crew.each)
    files = list(surveyed.names.items())
    if not union:
        require_equal_columns(files)
    if not surveyed.kinds:
        raise DataError(f"{_names_of([part.path for part in parts])}: it has no column")
    kinds = surveyed.kinds | {name: TEXT for name in text if name in surveyed.kinds}
    reading = Reading(parts, kinds, crew)
    reading.notes += absent_columns(files, list(kinds))
    return reading


def read_files(
    paths: Sequence[Path],
    dialect: Dialect | None = None,
    text: Iterable[str] = (),
    partitions: Mapping[Path, Mapping[str, str | None]] | None = None,
    union: bool = False,
    choices: Choices = UNDECIDED,
) -> FileTable:
    """Read files as `open_files` does, all at once.

    Raises:
        DataError: as `open_files` and `Reading.tables` do.
        SourceError: the same.
    """
    reading = open_files(paths, dialect, text, partitions, union, choices)
    table = pa.concat_tables(reading.tables())
    return FileTable(
        table, tuple(reading.notes), tuple(reading.files), reading.unusable, reading.written
    )


def read_frame(
    path: Path, dialect: Dialect | None = None, text: Iterable[str] = ()
) -> pd.DataFrame:
    """Read one CSV or Parquet file of the user as the frame that every room works on."""
    return to_frame(read_files(find_files(str(path)), dialect, text).table)


def _names_of(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more files"


def _open_part(dialect: Dialect, item: tuple[Path, Mapping[str, str | None]]) -> Part:
    path, partition = item
    with reporting_unreadable(path):
        guard = Unchanged(path)
        stream = _open_one(path, dialect)
    for name in partition:
        if name in (stream.names or ()):
            raise DataError(
                f"{path}: column {name!r} is in the file and in the folder's name; remove one"
            )
    return Part(stream, partition, guard)


def _open_one(path: Path, dialect: Dialect) -> Stream:
    kind = kind_of(path)
    if kind == "CSV":
        return open_fields(path, dialect)
    if kind != "JSON lines":
        return open_columnar(path)
    return open_json_lines(path, dialect.encoding or marked_encoding(path) or "utf-8")
