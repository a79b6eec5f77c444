"""CSV and TSV files -> text fields, block by block; malformed lines are refused by number.

A first pass (csv_rows) looks for bad bytes and for quotes, and rows with quotes are checked with
Python's strict reader too; Arrow's reader then reads the fields.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv

from layerline.errors import DataError
from layerline.sources.reading.batches import Batch, Column, Stream
from layerline.sources.reading.csv_rows import check_rows, is_comment, records
from layerline.sources.reading.dialect import SEPARATORS, USUAL, Dialect, Form
from layerline.sources.reading.form import find_form
from layerline.sources.reading.limits import FILES, Limits, Meter
from layerline.text import first_line, listing

_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")
_BLOCK = 1 << 22  # bytes; a single row must fit, and Arrow reads up to 32 of them ahead


class Fields(NamedTuple):
    """The text fields of one file: a string column for each name; empty ones are null."""

    table: pa.Table
    notes: tuple[str, ...]


def open_fields(path: Path, dialect: Dialect = USUAL, limits: Limits = FILES) -> Stream:
    """A file whose every field is text; its bytes are checked here, its rows while they are read.

    Raises:
        DataError: the file is empty, not in its encoding, ragged, its quotes do not match, or it
            goes beyond a limit.
        ParamsError: the separator or the encoding is invalid.
    """
    meter = Meter(limits, str(path))
    form, scanned, notes = find_form(path, dialect, meter)
    header, header_end = _header(path, form, meter)
    names, renamed = _names(path, header, form.separator)
    notes = (*notes, *renamed)
    if not scanned.is_terminated:
        notes = (*notes, f"{path}: its last line is not terminated; the file may be cut off")
    # Names alone have quotes in files of several writers: their rows need no second reader.
    has_quoted_rows = scanned.last_quote >= header_end
    n_rows = check_rows(path, form, len(names), meter) if has_quoted_rows else None
    reading = _Reading(path, names, form, limits, n_rows)
    return Stream(path, partial(_batches, reading), tuple(names), notes=notes)


class _Reading(NamedTuple):
    """A file that was opened: its columns, its form, and its rows where they were counted."""

    path: Path
    names: list[str]
    form: Form
    limits: Limits
    n_rows: int | None


def _batches(one: _Reading, columns: Collection[str] | None = None) -> Iterator[Batch]:
    n_read = 0
    wanted = [name for name in one.names if columns is None or name in columns]
    meter = Meter(one.limits, str(one.path))
    for table, notes in _read(one.path, one.names, wanted, one.form, meter):
        n_read += table.num_rows
        found = {name: Column(table.column(name), "fields") for name in wanted}
        yield Batch(table.num_rows, found, notes)
    if one.n_rows is not None and one.n_rows != n_read:
        raise DataError(
            f"{one.path}: two readers disagree about its rows ({one.n_rows} and {n_read}); "
            'its quotes are ambiguous: write every quote inside a field as ""'
        )


def read_fields(
    path: Path,
    dialect: Dialect = USUAL,
    columns: Collection[str] | None = None,
    limits: Limits = FILES,
) -> Fields:
    """Read fields of a file as text, all at once: of these columns, or of all.

    Raises:
        DataError, ParamsError: as `open_fields` does.
    """
    stream = open_fields(path, dialect, limits)
    wanted = [name for name in stream.names or () if columns is None or name in columns]
    schema = pa.schema([(name, pa.string()) for name in wanted])
    tables = [
        pa.table({name: batch.columns[name].values for name in wanted}, schema=schema)
        for batch in stream.batches(wanted)
    ]
    return Fields(pa.concat_tables([schema.empty_table(), *tables]), stream.notes)


def _header(path: Path, form: Form, meter: Meter) -> tuple[list[str], int]:
    """The names, and how many characters the file has up to the end of their first line."""
    with path.open(encoding=form.codec, newline="") as file:
        n_before = sum(len(file.readline()) for _ in range(form.n_skipped))
        line = file.readline(meter.limits.header_bytes + 1)
    meter.check_line(len(line))
    meter.check_header(line.count(form.separator))
    _, record = next(records(path, form), (0, []))
    if not record:
        # Arrow would skip the blank line and then take the header for data.
        raise DataError(f"{path}: has no line but blank ones; the first must be the header")
    meter.check_columns(len(record))
    return record, n_before + len(line)


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
            "column names must be unique (is the first line a header?)"
        )
    if _is_a_row(names):
        shown = ", ".join(names)[:60]
        note = f"its first line ({shown}) is read as the names of the columns, and looks like a row"
        notes.append(f"{path}: {note}; if it is one, write a line of names above it")
    if len(names) == 1:
        others = [other for other in SEPARATORS if other != separator and other in names[0]]
        if others:
            raise DataError(
                f"{path}: with the separator {separator!r} there is only one column, {names[0]!r}; "
                f"set fetch.options.separator: {others[0]!r}"
            )
    return names, tuple(notes)


def _is_a_row(names: list[str]) -> bool:
    """Whether names are what values are: numbers that do not rise, or with decimals beside text."""
    numbers = [float(name) for name in names if _NUMBER.fullmatch(name)]
    if len(numbers) == len(names):
        return numbers != sorted(numbers)
    return any(not number.is_integer() for number in numbers)


def _read(
    path: Path, names: list[str], wanted: list[str], form: Form, meter: Meter
) -> Iterator[tuple[pa.Table, tuple[str, ...]]]:
    ragged: list[Any] = []
    comments: list[Any] = []

    def take_down(row: Any) -> str:
        (comments if is_comment(row.text) else ragged).append(row.text[:60])
        return "skip"

    parsing = pacsv.ParseOptions(
        delimiter=form.separator,
        newlines_in_values=True,
        ignore_empty_lines=len(names) > 1,
        invalid_row_handler=take_down,
    )
    try:
        with pacsv.open_csv(
            path, _how_to_read(names, form), parsing, _as_text(wanted, form)
        ) as reader:
            for batch in reader:
                meter.add(batch.num_rows * batch.num_columns, batch.nbytes)
                n_comments, comments[:] = len(comments), []
                note = f"{path}: comments (#) between the rows are left out"
                yield pa.Table.from_batches([batch]), (note,) if n_comments else ()
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a well-formed table: {first_line(error)}") from None
    if ragged:
        check_rows(path, form, len(names), meter)
        raise DataError(f"{path}: {len(ragged)} lines have too many or too few fields")


def _how_to_read(names: list[str], form: Form) -> pacsv.ReadOptions:
    return pacsv.ReadOptions(
        column_names=names,
        skip_rows=form.n_skipped,
        skip_rows_after_names=1,
        block_size=_BLOCK,
        encoding="utf8" if form.codec == "utf-8-sig" else form.encoding,
    )


def _as_text(wanted: list[str], form: Form) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()),
        include_columns=wanted,
        null_values=["", *form.missing],
        strings_can_be_null=True,
    )
