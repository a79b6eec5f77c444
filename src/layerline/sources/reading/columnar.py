"""Parquet and Arrow files -> batches of columns in the five types."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns.date import are_in_years
from layerline.errors import DataError, SourceError
from layerline.sources.reading.arrow_file import arrow_schema, read_arrow_batches
from layerline.sources.reading.batches import Batch, Column, Stream
from layerline.sources.reading.limits import FILES, Limits, Meter
from layerline.sources.reading.parquet_file import parquet_schema, read_parquet_batches
from layerline.sources.reading.paths import ARROW
from layerline.text import first_line, listing


def open_columnar(path: Path, limits: Limits = FILES) -> Stream:
    """A Parquet or Arrow file whose columns can be brought into the five types.

    Columns of other types (lists, structs, bytes, durations) are left out, with a note.

    Raises:
        DataError: empty, a column twice, or beyond a limit; also while it is read.
        SourceError: the file is damaged or truncated; also while it is read.
    """
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty (0 bytes); give a table with rows")
    is_arrow = path.suffix.lower() in ARROW
    with reporting_damage(path):
        schema = (arrow_schema if is_arrow else parquet_schema)(path)
        Meter(limits, str(path)).check_columns(len(schema))
        found = list(schema.names)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise DataError(f"{path}: has {listing(twice)} more than once; rename one of them")
    kept, notes, unusable = _usable(schema, path)
    types = {column.name: kind for column in kept if (kind := _type_of(column.type)) is not None}
    names = tuple(column.name for column in kept)
    batches = partial(_batches, path, names, limits)
    return Stream(path, batches, names, types, tuple(notes), unusable)


def _batches(
    path: Path, names: Sequence[str], limits: Limits, columns: Collection[str] | None = None
) -> Iterator[Batch]:
    read = read_arrow_batches if path.suffix.lower() in ARROW else read_parquet_batches
    wanted = [name for name in names if columns is None or name in columns]
    with reporting_damage(path):
        for table in read(path, wanted, Meter(limits, str(path))):
            yield _to_batch(table.select(wanted), path)


@contextlib.contextmanager
def reporting_damage(path: Path) -> Iterator[None]:
    """Turn an error of Arrow into one message.

    Raises:
        SourceError: the file is not what its name says.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:  # UnicodeDecodeError of a name, too
        kind = "Arrow" if path.suffix.lower() in ARROW else "Parquet"
        raise SourceError(
            f"{path}: not a readable {kind} file, it is damaged or "
            f"truncated ({first_line(error)[:200]}); get it again from its origin"
        ) from None


def _usable(schema: pa.Schema, path: Path) -> tuple[list[pa.Field], list[str], dict[str, str]]:
    """The columns that are read, notes on the others, and why those cannot be used."""
    kept, notes, unusable = [], [], {}
    for column in schema:
        if column.name.startswith("__index_level_"):
            notes.append(f"{path}: the pandas index {column.name} is left out")
        elif _is_known(column.type):
            kept.append(column)
        else:
            unusable[column.name] = (
                f"{path}: column {column.name!r} is of type {str(column.type)[:80]}, which cannot "
                "be used; store it as numbers, text, dates or true/false"
            )
            notes.append(f"{unusable[column.name]}; it is left out")
    return kept, notes, unusable


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
