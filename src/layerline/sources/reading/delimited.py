"""CSV and TSV files -> text fields, block by block; malformed lines are refused by number.

A first pass (csv_rows) looks for bad bytes and for quotes, and a file with quotes is checked with
Python's strict reader too; Arrow's reader then reads the fields.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv

from layerline.errors import DataError
from layerline.sources.reading.batches import Batch, Column, Stream
from layerline.sources.reading.csv_rows import check_rows, records, scan
from layerline.sources.reading.dialect import (
    SEPARATORS,
    USUAL,
    Dialect,
    check_dialect,
    codec_of,
    usual_separator,
)
from layerline.text import first_line, listing

_BLOCK = 1 << 22  # bytes; a single row must fit, and Arrow reads up to 32 of them ahead


class Fields(NamedTuple):
    """The text fields of one file: a string column for each name; empty ones are null."""

    table: pa.Table
    notes: tuple[str, ...]


def open_fields(path: Path, dialect: Dialect = USUAL) -> Stream:
    """A file whose every field is text; its bytes are checked here, its rows while they are read.

    Raises:
        DataError: the file is empty, not in its encoding, ragged, or its quotes do not match.
        ParamsError: the separator or the encoding is invalid.
    """
    check_dialect(dialect)
    quoted, has_end = scan(path, dialect.encoding)
    separator = separator_of(path, dialect)
    header = _header(path, separator, dialect)
    names, notes = _names(path, header, separator)
    if dialect.separator is None and separator != usual_separator(path):
        notes = (*notes, f"{path}: its columns are separated by {separator!r}")
    if not has_end:
        notes = (*notes, f"{path}: its last line is not terminated; the file may be cut off")
    n_rows = check_rows(path, separator, dialect.encoding, len(names)) if quoted else None

    def batches(columns: Collection[str] | None = None) -> Iterator[Batch]:
        n_read = 0
        for table in _read(path, names, separator, dialect):
            n_read += table.num_rows
            wanted = names if columns is None else [name for name in names if name in columns]
            found = {name: Column(table.column(name), "fields") for name in wanted}
            yield Batch(table.num_rows, found)
        if n_rows is not None and n_rows != n_read:
            raise DataError(
                f"{path}: two readers disagree about its rows ({n_rows} and {n_read}); "
                'its quotes are ambiguous: write every quote inside a field as ""'
            )

    return Stream(path, batches, tuple(names), notes=notes)


def read_fields(path: Path, dialect: Dialect = USUAL) -> Fields:
    """Read every field of a file as text, all at once.

    Raises:
        DataError, ParamsError: as `open_fields` does.
    """
    stream = open_fields(path, dialect)
    names = stream.names or ()
    schema = pa.schema([(name, pa.string()) for name in names])
    tables = [
        pa.table({name: column.values for name, column in batch.columns.items()})
        for batch in stream.batches(None)
    ]
    return Fields(pa.concat_tables([schema.empty_table(), *tables]), stream.notes)


def separator_of(path: Path, dialect: Dialect) -> str:
    """The separator asked for; else the usual one, unless the header has none of it but another."""
    if dialect.separator is not None:
        return dialect.separator
    usual = usual_separator(path)
    widths = {separator: _width(path, separator, dialect) for separator in (usual, *SEPARATORS)}
    best = max(widths, key=lambda separator: widths[separator])
    return usual if widths[usual] > 1 or widths[best] <= 1 else best


def _width(path: Path, separator: str, dialect: Dialect) -> int:
    """The columns of the header; none where its quotes do not fit this separator."""
    try:
        return len(_header(path, separator, dialect))
    except DataError:
        return 0


def _header(path: Path, separator: str, dialect: Dialect) -> list[str]:
    _, record = next(records(path, separator, dialect.encoding), (0, []))
    if not record:
        # Arrow would skip the blank line and then take the header for data.
        raise DataError(f"{path}: the first line is blank; it must be the header")
    return record


def _names(path: Path, header: list[str], separator: str) -> tuple[list[str], tuple[str, ...]]:
    names = [name.strip() for name in header]
    notes = []
    for position, name in enumerate(names):
        if not name:
            names[position] = f"unnamed_{position + 1}"
            notes.append(
                f"{path}: column {position + 1} has no name; it is called {names[position]}"
            )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{path}: the header names {listing([repr(name) for name in twice])} more than once; "
            "every column needs a name of its own (is the first line a header at all?)"
        )
    if len(names) == 1:
        others = [other for other in SEPARATORS if other != separator and other in names[0]]
        if others:
            raise DataError(
                f"{path}: with the separator {separator!r} there is only one column, {names[0]!r}; "
                f"set fetch.options.separator: {others[0]!r}"
            )
    return names, tuple(notes)


def _read(path: Path, names: list[str], separator: str, dialect: Dialect) -> Iterator[pa.Table]:
    ragged: list[object] = []

    def note(row: object) -> str:
        ragged.append(row)
        return "skip"

    parsing = pacsv.ParseOptions(
        delimiter=separator,
        newlines_in_values=True,
        ignore_empty_lines=len(names) > 1,
        invalid_row_handler=note,
    )
    try:
        with pacsv.open_csv(
            path, _how_to_read(names, dialect), parsing, _as_text(names, dialect)
        ) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a well-formed table: {first_line(error)}") from None
    if ragged:
        check_rows(path, separator, dialect.encoding, len(names))
        raise DataError(f"{path}: {len(ragged)} lines have too many or too few fields")


def _how_to_read(names: list[str], dialect: Dialect) -> pacsv.ReadOptions:
    utf8 = codec_of(dialect.encoding) == "utf-8-sig"
    return pacsv.ReadOptions(
        column_names=names,
        skip_rows_after_names=1,
        block_size=_BLOCK,
        encoding="utf8" if utf8 else dialect.encoding,
    )


def _as_text(names: list[str], dialect: Dialect) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=["", *dialect.missing],
        strings_can_be_null=True,
    )
