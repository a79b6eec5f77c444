"""The user's files, CSV or Parquet, one or many -> one Arrow table in the five column types.

`read_files` is the source `files`; `read_frame` is for whoever takes a table from the user later
(predict, serving), so that a value means the same there. Nothing is changed silently: what cannot
be kept exactly is refused, kept as text, or noted.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from layerline.artifacts import sha256_of
from layerline.data.delimited import Dialect, read_fields
from layerline.data.parsing import fits_float, parse_column
from layerline.data.tables import closest, first_line, listing, to_frame
from layerline.errors import DataError, LayerlineError, ParamsError, Problem, SourceError

DELIMITED = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")


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


def find_files(path: str | Sequence[str]) -> list[Path]:
    """The files that a path, a glob pattern, a folder or a list of these name, sorted within each.

    Raises:
        SourceError: nothing is there.
        ParamsError: a file of a kind that is not read.
    """
    given = [path] if isinstance(path, str) else list(path)
    found = [file for one in given for file in _expand(one)]
    if not found:
        raise ParamsError([Problem("fetch.options.path", "is an empty list; name a file")])
    unknown = [str(file) for file in found if file.suffix.lower() not in (*DELIMITED, *PARQUET)]
    if unknown:
        known = ", ".join((*DELIMITED, *PARQUET))
        message = f"{listing(unknown, 5)} is of no known kind; files end in one of {known}"
        raise ParamsError([Problem("fetch.options.path", message)])
    if len({_is_parquet(file) for file in found}) > 1:
        message = "names both Parquet and CSV files, whose types may differ; give one kind"
        raise ParamsError([Problem("fetch.options.path", message)])
    return found


def _expand(path: str) -> list[Path]:
    if "://" in path:
        message = f"{path!r} is no local path; download it first"
        raise ParamsError([Problem("fetch.options.path", message)])
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    if place.is_dir():
        kinds = (*DELIMITED, *PARQUET)
        files = [file for file in place.iterdir() if file.suffix.lower() in kinds]
        files = sorted(file for file in files if file.is_file() and file.name[0] not in "._")
        if not files:
            raise SourceError(f"{path}: the folder holds no file that ends in {', '.join(kinds)}")
        return files
    pattern = place.relative_to(place.anchor).as_posix() if place.is_absolute() else place.as_posix()
    base = Path(place.anchor) if place.is_absolute() else Path()
    if any(sign in path for sign in "*?["):
        matches = sorted(file for file in base.glob(pattern) if file.is_file())
        if not matches:
            raise SourceError(f"{path}: no file matches this pattern (from {Path.cwd()})")
        return matches
    raise SourceError(_nothing_at(path, place))


def _nothing_at(path: str, place: Path) -> str:
    siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
    near = closest(place.name, siblings) if siblings else None
    hint = f"did you mean {str(place.with_name(near))!r}? " if near else ""
    where = "" if place.is_absolute() else f" (from {Path.cwd()})"
    return f"{path}: there is no such file or folder{where}; {hint}set fetch.options.path"


def read_files(
    paths: Sequence[Path], dialect: Dialect | None = None, text: Iterable[str] = ()
) -> FileTable:
    """Read files of one kind as one table; every file must have the same columns.

    Args:
        paths: as `find_files` gives them.
        dialect: how CSV files are written.
        text: columns that are text whatever their values look like (others may be named too).

    Raises:
        DataError: empty, malformed, no rows, columns that differ, values that no type can hold.
        SourceError: a file cannot be read, or its bytes are damaged.
    """
    parquet = _is_parquet(paths[0])
    parts = [_read_part(path, parquet, dialect or Dialect()) for path in paths]
    for part in parts[1:]:
        _require_equal_columns(parts[0], part)
    if not parts[0].table.column_names or not any(part.table.num_rows for part in parts):
        raise DataError(f"{_names_of(paths)}: there is a header but not one row of data")
    notes = [note for part in parts for note in part.notes]
    joined = {name: _join(parts, name, notes) for name in parts[0].table.column_names}
    kept = {name: column.cast(pa.string()) for name, column in joined.items() if name in set(text)}
    if not parquet:
        rest = {name: column for name, column in joined.items() if name not in kept}
        kept |= _parse_all(rest, parts, notes)
    table = pa.table({name: kept.get(name, column) for name, column in joined.items()})
    return FileTable(table, tuple(notes), tuple(part.about for part in parts))


def read_frame(path: Path, dialect: Dialect | None = None, text: Iterable[str] = ()) -> pd.DataFrame:
    """Read one CSV or Parquet file of the user as the frame that every room works on."""
    return to_frame(read_files(find_files(str(path)), dialect, text).table)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


def _names_of(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more files"


def _read_part(path: Path, parquet: bool, dialect: Dialect) -> _Part:
    try:
        before, digest = path.stat(), sha256_of(path)
        if parquet:
            table, notes = _read_parquet(path)
        else:
            table, notes = read_fields(path, dialect)
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
    about = {"path": str(path), "bytes": after.st_size, "sha256": digest, "n_rows": table.num_rows}
    return _Part(path, table, tuple(notes), about)


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
        message = f"column {name!r} has decimals in one file and whole numbers beyond 2^53 in another"
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
        for rows, what in ((parsed.too_large, "infinite"), (parsed.too_small, "zero")):
            if rows:
                path, row = _locate(parts, rows[0])
                problems.append(
                    f"{path}: column {name!r}, data row {row}: {column[rows[0]].as_py()} would "
                    f"become {what} as a 64-bit number ({len(rows)} such values); mend it, or list "
                    "the column in fetch.options.text"
                )
    if problems:
        raise DataError("\n".join(problems))
    return typed


def _locate(parts: Sequence[_Part], row: int) -> tuple[Path, int]:
    """The file and the 1-based data row in it, of a row of the joined table."""
    for part in parts:
        if row < part.table.num_rows:
            return part.path, row + 1
        row -= part.table.num_rows
    raise IndexError(row)


def _read_parquet(path: Path) -> tuple[pa.Table, list[str]]:
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty (0 bytes); give a table with rows")
    try:
        # ParquetFile, not read_table: that one takes `year=2024` in a folder's name for a column.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path}: not a readable Parquet file, it is damaged or cut short "
            f"({first_line(error)[:200]}); get it again from where it came from"
        ) from None
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: has {listing(twice)} more than once; rename one of them")
    return _to_five_types(table, path)


def _to_five_types(table: pa.Table, path: Path) -> tuple[pa.Table, list[str]]:
    columns, notes, problems = {}, [], []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name.startswith("__index_level_"):
            notes.append(f"{path}: the pandas index {name} is left out")
            continue
        try:
            columns[name], note = _to_known_type(column)
        except pa.ArrowException:
            problems.append(
                f"{path}: column {name!r} is of type {column.type}, which cannot be used; "
                "store it as numbers, text, dates or true/false, or leave it out"
            )
            continue
        if note:
            notes.append(f"{path}: column {name!r} {note}")
    if problems:
        raise DataError("\n".join(problems))
    return pa.table(columns), notes


def _to_known_type(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str | None]:
    """The column in one of the five types.

    Raises:
        pa.ArrowException: none of them can hold it.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _to_known_type(column.cast(kind.value_type))
    if pa.types.is_integer(kind):
        try:
            whole = column.cast(pa.int64())
        except pa.ArrowInvalid:
            return column.cast(pa.string()), "is kept as text: it holds whole numbers beyond 64 bits"
        if fits_float(whole):
            return whole, None
        return column.cast(pa.string()), "is kept as text: it holds whole numbers beyond 2^53"
    if pa.types.is_boolean(kind):
        return column, None
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _to_timestamp(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return column.cast(pa.float64()), None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return column.cast(pa.string()), None
    raise pa.ArrowNotImplementedError(str(kind))


def _to_timestamp(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str | None]:
    kind = column.type
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    note = f"is read in UTC, its time zone {zone} is dropped" if zone else None
    unzoned = pa.timestamp("us")
    rounded = pc.cast(column, pa.timestamp("us", zone), safe=False)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        back = pc.cast(rounded, kind)
        if not pc.all(pc.equal(back, column)).as_py():
            note = f"{note or 'is read'}, to the microsecond"
    return pc.cast(rounded, unzoned), note
