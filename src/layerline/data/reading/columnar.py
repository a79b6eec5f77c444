"""Parquet and Arrow files -> an Arrow table in the five types, or a refusal."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from layerline.data.reading.finding import ARROW
from layerline.data.reading.parsing import fits_float
from layerline.data.tables import first_line, listing
from layerline.errors import DataError, SourceError

_ARROW_MAGIC = b"ARROW1"


def read_columnar(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """The table, and what was noted while bringing its columns into the five types.

    Raises:
        DataError: empty, a column twice, or a column of a type that cannot be used.
        SourceError: the file is damaged or cut short.
    """
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty (0 bytes); give a table with rows")
    arrow = path.suffix.lower() in ARROW
    try:
        table = _read_arrow(path) if arrow else _read_parquet(path)
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path}: not a readable {'Arrow' if arrow else 'Parquet'} file, it is damaged or cut "
            f"short ({first_line(error)[:200]}); get it again from where it came from"
        ) from None
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: has {listing(twice)} more than once; rename one of them")
    return _to_five_types(table, path)


def _read_parquet(path: Path) -> pa.Table:
    # ParquetFile, not read_table: that one takes `year=2024` in a folder's name for a column.
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read()


def _read_arrow(path: Path) -> pa.Table:
    """The file format, which Feather 2 is too, or the streaming one."""
    with pa.OSFile(str(path)) as file:
        is_file = file.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
        file.seek(0)
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file) as reader:
            return reader.read_all()


def _to_five_types(table: pa.Table, path: Path) -> tuple[pa.Table, tuple[str, ...]]:
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
    return pa.table(columns), tuple(notes)


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
            return column.cast(
                pa.string()
            ), "is kept as text: it holds whole numbers beyond 64 bits"
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
