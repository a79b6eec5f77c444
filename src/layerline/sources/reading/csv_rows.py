"""A first pass over a delimited file, by Python's own readers: bytes, quotes, fields in each row.

Arrow's reader is the fast path, but by itself it closes an open quote at the end of the file and
joins `"a"b` into `ab`.
"""

import codecs
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from layerline.errors import DataError
from layerline.sources.reading.dialect import codec_of


def scan(path: Path, encoding: str) -> tuple[bool, bool]:
    """Check every byte; return whether there is a quote, and whether the last line is terminated.

    Raises:
        DataError: the file is empty, has a NUL byte, or is not in its encoding.
    """
    decoder = codecs.getincrementaldecoder(codec_of(encoding))()
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
                    f"{path}: line {line} has a NUL byte; it is damaged, not a text file, "
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


def records(path: Path, separator: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each record by Python's strict reader; the line is where it ends.

    Raises:
        DataError: quotes do not match.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding=codec_of(encoding), newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            for record in reader:
                yield reader.line_num, record
        except csv.Error as error:
            raise DataError(
                f"{path}: line {reader.line_num}: {error}; close each quote, and write a quote "
                'inside a quoted field as ""'
            ) from None


def check_rows(path: Path, separator: str, encoding: str, n_columns: int) -> int:
    """Count the data rows.

    Raises:
        DataError: some have too many or too few fields; with their lines.
    """
    bad: list[str] = []
    n_bad = n_rows = 0
    found = (item for item in records(path, separator, encoding) if item[1] or n_columns == 1)
    next(found)
    for line, record in found:
        n_rows += 1
        if len(record) != n_columns and not (n_columns == 1 and not record):
            n_bad += 1
            if len(bad) < 5:
                bad.append(f"line {line} has {len(record)}")
    if n_bad:
        more = f" and {n_bad - len(bad)} more lines" if n_bad > len(bad) else ""
        raise DataError(
            f"{path}: the header names {n_columns} columns, but {', '.join(bad)}{more}; "
            "correct these lines (a separator inside a field needs quotes around the field)"
        )
    return n_rows
