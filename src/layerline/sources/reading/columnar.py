"""Parquet and Arrow files -> batches of columns in the five types."""

import contextlib
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from layerline.errors import DataError, SourceError
from layerline.sources.reading.batches import BATCH_ROWS, Batch, Column, Stream
from layerline.sources.reading.parsing import are_in_years
from layerline.sources.reading.paths import ARROW
from layerline.text import first_line, listing

_ARROW_MAGIC = b"ARROW1"
# Without a buffer for each column, or with pre_buffer, everything read stays in memory.
_BUFFER = 1 << 20


def open_columnar(path: Path) -> Stream:
    """A Parquet or Arrow file whose columns can be brought into the five types.

    Raises:
        DataError: empty, a column twice, or a column of a type that cannot be used.
        SourceError: the file is damaged or truncated; also while it is read.
    """
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty (0 bytes); give a table with rows")
    is_arrow = path.suffix.lower() in ARROW
    with _reporting_damage(path):
        schema = (_arrow_schema if is_arrow else _parquet_schema)(path)
        found = list(schema.names)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise DataError(f"{path}: has {listing(twice)} more than once; rename one of them")
    kept = [column for column in schema if not column.name.startswith("__index_level_")]
    left = [column.name for column in schema if column not in kept]
    notes = [f"{path}: the pandas index {name} is left out" for name in left]
    _require_known(kept, path)
    types = {column.name: kind for column in kept if (kind := _type_of(column.type)) is not None}
    read = partial(_read_arrow if is_arrow else _read_parquet, path)
    names = [column.name for column in kept]

    def batches(columns: Collection[str] | None = None) -> Iterator[Batch]:
        wanted = names if columns is None else [name for name in names if name in columns]
        with _reporting_damage(path):
            for table in read(wanted):
                table.validate(full=True)
                yield _to_batch(table.select(wanted), path)

    return Stream(path, batches, tuple(names), types, tuple(notes))


@contextlib.contextmanager
def _reporting_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: of a name
        kind = "Arrow" if path.suffix.lower() in ARROW else "Parquet"
        raise SourceError(
            f"{path}: not a readable {kind} file, it is damaged or "
            f"truncated ({first_line(error)[:200]}); get it again from its origin"
        ) from None


def _open_parquet(path: Path) -> pq.ParquetFile:
    # ParquetFile, not read_table: that one takes `year=2024` in a folder's name for a column.
    return pq.ParquetFile(
        path, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
    )


def _parquet_schema(path: Path) -> pa.Schema:
    with _open_parquet(path) as file:
        return file.schema_arrow


def _read_parquet(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    with _open_parquet(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


@contextlib.contextmanager
def _open_arrow(path: Path) -> Iterator[pa.RecordBatchReader | pa.ipc.RecordBatchFileReader]:
    """The file format, which Feather 2 is too, or the streaming one."""
    with pa.OSFile(str(path)) as file:
        is_file = file.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
        file.seek(0)
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file) as reader:
            yield reader


def _arrow_schema(path: Path) -> pa.Schema:
    with _open_arrow(path) as reader:
        return reader.schema


def _read_arrow(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    with _open_arrow(path) as reader:
        in_file = isinstance(reader, pa.ipc.RecordBatchFileReader)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if in_file else reader
        for batch in batches:
            table = pa.Table.from_batches([batch]).select(columns)
            for start in range(0, table.num_rows, BATCH_ROWS):
                yield table.slice(start, BATCH_ROWS)


def _require_known(columns: list[pa.Field], path: Path) -> None:
    problems = [
        f"{path}: column {column.name!r} is of type {column.type}, which cannot be used; "
        "store it as numbers, text, dates or true/false, or leave it out"
        for column in columns
        if not _is_known(column.type)
    ]
    if problems:
        raise DataError("\n".join(problems))


def _is_known(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_known(kind.value_type)
    tests = (
        *(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null),
        *(pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp),
    )
    return _is_text(kind) or any(test(kind) for test in tests)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def _type_of(kind: pa.DataType) -> pa.DataType | None:
    """The type of values of this kind, whatever they are; None when it depends on them."""
    if pa.types.is_dictionary(kind):
        return _type_of(kind.value_type)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if _is_text(kind):
        return pa.string()
    if pa.types.is_integer(kind):
        return pa.int64() if kind.bit_width < 64 else None
    is_whole = pa.types.is_decimal(kind) and kind.scale <= 0
    return None if is_whole or pa.types.is_null(kind) else pa.float64()


def _to_batch(table: pa.Table, path: Path) -> Batch:
    columns, notes = {}, []
    for name, values in zip(table.column_names, table.columns, strict=True):
        column, note = _to_known_type(values, f"{path}: column {name!r}")
        columns[name] = column
        if note:
            notes.append(f"{path}: column {name!r} {note}")
    return Batch(table.num_rows, columns, tuple(notes))


def _to_known_type(values: pa.ChunkedArray, where: str) -> tuple[Column, str | None]:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _to_known_type(values.cast(kind.value_type), where)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        found, note = _to_timestamp(values, where)
        return Column(found), note
    if kind == pa.uint64() or (pa.types.is_decimal(kind) and kind.scale <= 0):
        # Digits: they may be more than a 64-bit number holds.
        return Column(_digits(values), "numbers"), None
    target = _type_of(kind) or (pa.int64() if pa.types.is_integer(kind) else pa.float64())
    return Column(values.cast(target)), None


def _digits(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_decimal(values.type) and values.type.scale < 0:
        values = values.cast(pa.decimal256(76, 0))
    return values.cast(pa.string())


def _to_timestamp(values: pa.ChunkedArray, where: str) -> tuple[pa.ChunkedArray, str | None]:
    kind = values.type
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    note = f"is read in UTC, its time zone {zone} is dropped" if zone else None
    finer = pa.types.is_timestamp(kind) and kind.unit == "ns"
    try:
        rounded = pc.cast(values, pa.timestamp("us", zone), safe=not finer)
    except pa.ArrowInvalid:
        raise _beyond_years(where) from None
    if not are_in_years(pc.cast(rounded, pa.timestamp("us"))):
        raise _beyond_years(where)
    if finer and not pc.all(pc.equal(pc.cast(rounded, kind), values)).as_py():
        note = f"{note or 'is read'}, to the microsecond"
    return pc.cast(rounded, pa.timestamp("us")), note


def _beyond_years(where: str) -> DataError:
    return DataError(
        f"{where} has a date outside the years 1 to 9999; correct it, or store the column as text"
    )
