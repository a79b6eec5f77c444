"""The user's files of any kind, one or many -> one Arrow table in the five column types.

`read_files` is the source `files`; `read_frame` is for whoever takes a table from the user later
(predict, serving), so that a value means the same there. Nothing is changed silently: what cannot
be kept exactly is refused, kept as text, or noted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from layerline.artifacts import sha256_of
from layerline.data.reading.columnar import read_columnar
from layerline.data.reading.delimited import Dialect, read_fields
from layerline.data.reading.finding import DELIMITED, PARQUET, find_files, kind_of
from layerline.data.reading.json_lines import read_json_lines
from layerline.data.reading.parsing import Parsed, fits_float, parse_column
from layerline.data.tables import first_line, listing, to_frame
from layerline.errors import DataError, LayerlineError, SourceError

__all__ = ["DELIMITED", "PARQUET", "FileTable", "find_files", "read_files", "read_frame"]


class FileTable(NamedTuple):
    """What was read: the rows of all files in order, what to say aloud, and each file's sha256."""

    table: pa.Table
    notes: tuple[str, ...]
    files: tuple[dict[str, Any], ...]


class _Part(NamedTuple):
    path: Path
    table: pa.Table
    notes: tuple[str, ...]
    about: dict[str, Any]


def read_files(
    paths: Sequence[Path],
    dialect: Dialect | None = None,
    text: Iterable[str] = (),
    partitions: Mapping[Path, Mapping[str, str | None]] | None = None,
) -> FileTable:
    """Read files of one kind as one table; every file must have the same columns.

    Args:
        paths: as `find_files` gives them.
        dialect: how CSV files are written.
        text: columns that are text whatever their values look like (others may be named too).
        partitions: columns whose values stand in the names of a file's folders.

    Raises:
        DataError: empty, malformed, no rows, columns that differ, values that no type can hold.
        SourceError: a file cannot be read, or its bytes are damaged.
    """
    folded = partitions or {}
    parts = [_read_part(path, dialect or Dialect(), folded.get(path, {})) for path in paths]
    for part in parts[1:]:
        _require_equal_columns(parts[0], part)
    if not parts[0].table.column_names or not any(part.table.num_rows for part in parts):
        raise DataError(f"{_names_of(paths)}: there is a header but not one row of data")
    notes = [note for part in parts for note in part.notes]
    joined = {name: _join(parts, name, notes) for name in parts[0].table.column_names}
    kept = {name: column.cast(pa.string()) for name, column in joined.items() if name in set(text)}
    written = {name for values in folded.values() for name in values}
    if kind_of(paths[0]) == "CSV":
        written |= joined.keys()
    rest = {name: column for name, column in joined.items() if name in written - kept.keys()}
    kept |= _parse_all(rest, parts, notes)
    table = pa.table({name: kept.get(name, column) for name, column in joined.items()})
    return FileTable(table, tuple(notes), tuple(part.about for part in parts))


def read_frame(
    path: Path, dialect: Dialect | None = None, text: Iterable[str] = ()
) -> pd.DataFrame:
    """Read one CSV or Parquet file of the user as the frame that every room works on."""
    return to_frame(read_files(find_files(str(path)), dialect, text).table)


def _names_of(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more files"


def _read_part(path: Path, dialect: Dialect, partition: Mapping[str, str | None]) -> _Part:
    try:
        before, digest = path.stat(), sha256_of(path)
        table, notes = _read_one(path, dialect)
        after = path.stat()
    except LayerlineError:
        raise
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise SourceError(f"{path}: cannot be read ({reason})") from None
    if (before.st_mtime_ns, before.st_size, before.st_ino) != (
        after.st_mtime_ns,
        after.st_size,
        after.st_ino,
    ):
        raise SourceError(f"{path}: was changed while it was read; run again when it is complete")
    table = _with_partition(table, partition, path)
    about = {"path": str(path), "bytes": after.st_size, "sha256": digest, "n_rows": table.num_rows}
    return _Part(path, table, tuple(notes), about)


def _read_one(path: Path, dialect: Dialect) -> tuple[pa.Table, tuple[str, ...]]:
    kind = kind_of(path)
    if kind == "CSV":
        return read_fields(path, dialect)
    if kind == "JSON lines":
        read = read_json_lines(path, dialect.encoding)
        problems = [
            problem
            for name, parsed in read.parsed.items()
            for problem in _range_problems(name, parsed, lambda row: (path, row + 1))
        ]
        if problems:
            raise DataError("\n".join(problems))
        return read.table, read.notes
    return read_columnar(path)


def _with_partition(table: pa.Table, partition: Mapping[str, str | None], path: Path) -> pa.Table:
    for name, value in partition.items():
        if name in table.column_names:
            raise DataError(
                f"{path}: column {name!r} is in the file and in the folder's name; remove one"
            )
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    return table


def _require_equal_columns(first: _Part, other: _Part) -> None:
    names, others = first.table.column_names, other.table.column_names
    if set(names) == set(others):
        return
    absent = [name for name in names if name not in others]
    added = [name for name in others if name not in names]
    parts = [f"lacks {listing(absent, 5)}"] if absent else []
    parts += [f"adds {listing(added, 5)}"] if added else []
    raise DataError(
        f"{other.path}: its columns differ from {first.path}: it {' and '.join(parts)}; "
        "files that are read together need the same columns"
    )


def _join(parts: Sequence[_Part], name: str, notes: list[str]) -> pa.ChunkedArray:
    """One column of all files; a file in which it has no value at all fits any type."""
    columns = [part.table.column(name) for part in parts]
    kinds: dict[pa.DataType, Path] = {}
    for part, column in zip(parts, columns, strict=True):
        if column.null_count < len(column):
            kinds.setdefault(column.type, part.path)
    kind = next(iter(kinds), columns[0].type)
    if set(kinds) == {pa.int64(), pa.float64()}:
        kind = pa.float64()
    elif len(kinds) > 1:
        found = " and ".join(f"{kind} in {path}" for kind, path in kinds.items())
        raise DataError(f"column {name!r} is {found}; give it one type in all files")
    try:
        columns = [c.cast(kind) if c.null_count < len(c) else _gap(len(c), kind) for c in columns]
    except pa.ArrowInvalid:
        message = (
            f"column {name!r} has decimals in one file and whole numbers beyond 2^53 in another"
        )
        raise DataError(f"{message}; give it one type in all files") from None
    joined = pa.chunked_array([chunk for c in columns for chunk in c.chunks], type=kind)
    if kind == pa.int64() and not fits_float(joined):
        notes.append(f"column {name!r} is kept as text: it holds whole numbers beyond 2^53")
        return joined.cast(pa.string())
    return joined


def _gap(length: int, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(length, kind)])


def _parse_all(
    fields: dict[str, pa.ChunkedArray], parts: Sequence[_Part], notes: list[str]
) -> dict[str, pa.ChunkedArray]:
    typed, problems = {}, []
    for name, column in fields.items():
        parsed = parse_column(column)
        typed[name] = parsed.values
        if parsed.note:
            notes.append(f"column {name!r} is kept as text: it holds {parsed.note}")
        problems += _range_problems(name, parsed, lambda row: _locate(parts, row))
    if problems:
        raise DataError("\n".join(problems))
    return typed


def _range_problems(
    name: str, parsed: Parsed, locate: Callable[[int], tuple[Path, int]]
) -> list[str]:
    """Numbers that a 64-bit float cannot hold."""
    problems = []
    for rows, what in ((parsed.too_large, "infinite"), (parsed.too_small, "zero")):
        if rows:
            path, row = locate(rows[0])
            problems.append(
                f"{path}: column {name!r}, data row {row}: {parsed.written[rows[0]]} would "
                f"become {what} as a 64-bit number ({len(rows)} such values); mend it, or list "
                "the column in fetch.options.text"
            )
    return problems


def _locate(parts: Sequence[_Part], row: int) -> tuple[Path, int]:
    """The file and the 1-based data row in it, of a row of the joined table."""
    for part in parts:
        if row < part.table.num_rows:
            return part.path, row + 1
        row -= part.table.num_rows
    raise IndexError(row)
