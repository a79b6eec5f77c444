"""CSV and TSV files -> text fields, block by block; what is malformed is refused with its line.

Arrow's reader is the fast path, but by itself it closes an open quote at the end of the file and
joins `"a"b` into `ab`: a first pass looks for bad bytes and for quotes, and a file with quotes is
checked with Python's strict reader too.
"""

import codecs
import csv
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv

from layerline.errors import DataError, ParamsError, Problem
from layerline.sources.reading.batches import Batch, Column, Stream
from layerline.text import first_line, listing

SEPARATORS = (",", ";", "\t", "|")
_BLOCK = 1 << 22  # bytes; a single row must fit, and Arrow reads up to 32 of them ahead


class Dialect(NamedTuple):
    """How a delimited file is written; `separator: None` is found from the header."""

    separator: str | None = None
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()  # words that are missing values in every column


USUAL = Dialect()


class Fields(NamedTuple):
    """The text fields of one file: a string column for each name; empty ones are null."""

    table: pa.Table
    notes: tuple[str, ...]


def open_fields(path: Path, dialect: Dialect = USUAL) -> Stream:
    """A file whose every field is text; its bytes are checked here, its rows while they are read.

    Raises:
        DataError: the file is empty, not in its encoding, ragged, or its quotes do not match.
        ParamsError: the separator or the encoding cannot be.
    """
    _check_dialect(dialect)
    quoted, has_end = _scan(path, dialect.encoding)
    separator = separator_of(path, dialect)
    header = _header(path, separator, dialect)
    names, notes = _names(path, header, separator)
    if dialect.separator is None and separator != _usual_separator(path):
        notes = (*notes, f"{path}: its columns are separated by {separator!r}")
    if not has_end:
        notes = (*notes, f"{path}: its last line has no line end; the file may be cut off")
    n_rows = _check_rows(path, separator, dialect.encoding, len(names)) if quoted else None

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


def _check_dialect(dialect: Dialect) -> None:
    separator = dialect.separator
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        message = f"must be one character that is no quote or line end, got {separator!r}"
        raise ParamsError([Problem("fetch.options.separator", message)])
    try:
        codecs.lookup(dialect.encoding)
    except LookupError:
        message = f"{dialect.encoding!r} is not known; try utf-8, latin-1, windows-1252 or utf-16"
        raise ParamsError([Problem("fetch.options.encoding", message)]) from None


def _codec(encoding: str) -> str:
    # utf-8-sig also reads files without a byte order mark.
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _scan(path: Path, encoding: str) -> tuple[bool, bool]:
    """Check every byte; return whether there is a quote, and whether the last line has its end."""
    decoder = codecs.getincrementaldecoder(_codec(encoding))()
    quoted, n_lines, n_bytes, last = False, 0, 0, ""
    with path.open("rb") as file:
        while True:
            block = file.read(1 << 20)
            n_bytes += len(block)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line = n_lines + error.object[: error.start].count(b"\n") + 1
                raise DataError(
                    f"{path}: line {line} is not {encoding}: it has the byte "
                    f"0x{error.object[error.start]:02x}; save it as UTF-8, or set "
                    "fetch.options.encoding, for instance to windows-1252"
                ) from None
            if "\0" in text:
                line = n_lines + text[: text.index("\0")].count("\n") + 1
                raise DataError(
                    f"{path}: line {line} has a NUL byte; it is damaged, or no text file, "
                    "or UTF-16: then set fetch.options.encoding: utf-16"
                )
            quoted = quoted or '"' in text
            n_lines += text.count("\n")
            last = text[-1:] or last
            if not block:
                break
    if not n_bytes:
        raise DataError(f"{path}: the file is empty (0 bytes); give a file with a header and rows")
    return quoted, last in ("\n", "\r")


def _records(path: Path, separator: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each record by Python's strict reader; the line is where it ends."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding=_codec(encoding), newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            for record in reader:
                yield reader.line_num, record
        except csv.Error as error:
            raise DataError(
                f"{path}: line {reader.line_num}: {error}; close each quote, and write a quote "
                'inside a quoted field as ""'
            ) from None


def _usual_separator(path: Path) -> str:
    return "\t" if path.suffix.lower() in (".tsv", ".tab") else ","


def separator_of(path: Path, dialect: Dialect) -> str:
    """The separator asked for; else the usual one, unless the header has none of it but another."""
    if dialect.separator is not None:
        return dialect.separator
    usual = _usual_separator(path)
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
    _, record = next(_records(path, separator, dialect.encoding), (0, []))
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


def _check_rows(path: Path, separator: str, encoding: str, n_columns: int) -> int:
    """Count the data rows; refuse the file when some have too many or too few fields."""
    bad: list[str] = []
    n_bad = n_rows = 0
    records = (item for item in _records(path, separator, encoding) if item[1] or n_columns == 1)
    next(records)
    for line, record in records:
        n_rows += 1
        if len(record) != n_columns and not (n_columns == 1 and not record):
            n_bad += 1
            if len(bad) < 5:
                bad.append(f"line {line} has {len(record)}")
    if n_bad:
        more = f" and {n_bad - len(bad)} more lines" if n_bad > len(bad) else ""
        raise DataError(
            f"{path}: the header names {n_columns} columns, but {', '.join(bad)}{more}; "
            "mend these lines (a separator inside a field needs quotes around the field)"
        )
    return n_rows


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
        _check_rows(path, separator, dialect.encoding, len(names))
        raise DataError(f"{path}: {len(ragged)} lines have too many or too few fields")


def _how_to_read(names: list[str], dialect: Dialect) -> pacsv.ReadOptions:
    utf8 = _codec(dialect.encoding) == "utf-8-sig"
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
