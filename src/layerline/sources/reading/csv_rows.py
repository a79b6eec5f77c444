"""A first pass over a delimited file, by Python's own readers: bytes, quotes, fields in each row.

Arrow's reader is the fast path, but by itself it closes an open quote at the end of the file and
joins `"a"b` into `ab`.
"""

import codecs
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from layerline.errors import DataError
from layerline.sources.reading.dialect import Form, codec_of
from layerline.sources.reading.limits import Meter

_ROWS_BETWEEN_CHECKS = 1 << 12


class NotInEncodingError(DataError):
    """A byte that the encoding does not have."""


class Scan(NamedTuple):
    """What a first look at every byte found."""

    last_quote: int  # its place, counted in characters; -1 where there is none
    is_terminated: bool  # the last line


def scan(path: Path, encoding: str) -> Scan:
    """Look at every byte of a file.

    Raises:
        NotInEncodingError: it is not in its encoding.
        DataError: it is empty, or has a NUL byte.
    """
    decoder = codecs.getincrementaldecoder(codec_of(encoding))()
    last_quote, n_lines, n_characters, n_bytes, last = -1, 0, 0, 0, ""
    with path.open("rb") as file:
        while True:
            block = file.read(1 << 20)
            n_bytes += len(block)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line = n_lines + error.object[: error.start].count(b"\n") + 1
                raise NotInEncodingError(
                    f"{path}: line {line} is not {encoding}: it has the byte "
                    f"0x{error.object[error.start]:02x}; save it as UTF-8, or set "
                    "fetch.options.encoding, for instance to windows-1252"
                ) from None
            if "\0" in text:
                line = n_lines + text[: text.index("\0")].count("\n") + 1
                raise DataError(
                    f"{path}: line {line} has a NUL byte; it is damaged, or not a text file"
                )
            if '"' in text:
                last_quote = n_characters + text.rindex('"')
            n_characters += len(text)
            n_lines += text.count("\n")
            last = text[-1:] or last
            if not block:
                break
    if not n_bytes:
        raise DataError(f"{path}: the file is empty (0 bytes); give a file with a header and rows")
    return Scan(last_quote, last in ("\n", "\r"))


def records(path: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of the header and each record by Python's strict reader; the line it ends in.

    Raises:
        DataError: quotes do not match.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding=form.codec, newline="") as file:
        for _ in range(form.n_skipped):
            file.readline()
        reader = csv.reader(file, delimiter=form.separator, strict=True)
        try:
            for record in reader:
                yield form.n_skipped + reader.line_num, record
        except csv.Error as error:
            line = form.n_skipped + reader.line_num
            raise DataError(
                f"{path}: line {line}: {error}; close each quote, and write a quote "
                'inside a quoted field as ""'
            ) from None


def is_comment(first_field: str) -> bool:
    """Whether a line that does not fit the table is a comment."""
    return first_field.startswith("#")


def check_rows(path: Path, form: Form, n_columns: int, meter: Meter) -> int:
    """Count the data rows.

    Raises:
        DataError: some have too many or too few fields; with their lines.
    """
    bad: list[str] = []
    n_bad = n_rows = 0
    found = (item for item in records(path, form) if item[1] or n_columns == 1)
    next(found)
    for count, (line, record) in enumerate(found):
        if not count % _ROWS_BETWEEN_CHECKS:
            meter.check_time()
        if len(record) != n_columns and not (n_columns == 1 and not record):
            if is_comment(record[0]):
                continue
            n_bad += 1
            if len(bad) < 5:
                bad.append(f"line {line} has {len(record)}")
        n_rows += 1
    if n_bad:
        more = f" and {n_bad - len(bad)} more lines" if n_bad > len(bad) else ""
        raise DataError(
            f"{path}: the header names {n_columns} columns, but {', '.join(bad)}{more}; "
            "correct these lines (a separator inside a field needs quotes around the field)"
        )
    return n_rows
