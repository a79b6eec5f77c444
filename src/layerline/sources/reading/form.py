"""The form of one delimited file: its encoding, its separator, and the lines before its header.

Before the header may stand `sep=;` (of a spreadsheet), blank lines, comments (#) and titles: lines
with fewer fields than the table below. They are left out, with a note.
"""

import csv
import re
from collections import Counter
from pathlib import Path

from layerline.errors import DataError
from layerline.sources.reading.csv_rows import NotInEncodingError, Scan, scan
from layerline.sources.reading.dialect import (
    SEPARATORS,
    Dialect,
    Form,
    check_dialect,
    codec_of,
    usual_separator,
)
from layerline.sources.reading.encoding import (
    binary_kind,
    guess_encoding,
    is_utf8_beyond_ascii,
    marked_encoding,
)
from layerline.sources.reading.limits import Meter

_MOST_SKIPPED = 30  # lines before a header
_ROWS_SHOWN = 5  # rows that a title is compared with
_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)


def find_form(path: Path, dialect: Dialect, meter: Meter) -> tuple[Form, Scan, tuple[str, ...]]:
    """How the file is written, what its bytes are like, and notes on what was found.

    Raises:
        DataError: empty, a NUL byte, not in its encoding, or a first line that is too long.
        ParamsError: the separator or the encoding is invalid.
    """
    check_dialect(dialect)
    encoding, scanned, notes = _encoding(path, dialect)
    lines = _first_lines(path, encoding, meter)
    separator, n_skipped = dialect.separator, 0
    marked = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if marked:
        separator, n_skipped = separator or marked[1], 1
    start = _find_header(lines, n_skipped, separator)
    shown = ", ".join(repr(line.strip()[:60]) for line in lines[n_skipped:start] if line.strip())
    if shown:
        notes.append(f"{path}: left out before the header: {shown[:300]}")
    chosen = separator or _separator_of(path, lines[start] if start < len(lines) else "")
    if separator is None and chosen != usual_separator(path):
        notes.append(f"{path}: its columns are separated by {chosen!r}")
    return Form(chosen, encoding, start, dialect.missing), scanned, tuple(notes)


def _encoding(path: Path, dialect: Dialect) -> tuple[str, Scan, list[str]]:
    """A byte order mark decides, then the user, then UTF-8, then the letters of the file."""
    if (found := binary_kind(path)) is not None:
        raise DataError(f"{path}: {found}")
    marked = marked_encoding(path)
    chosen = marked or dialect.encoding or "utf-8"
    notes = []
    if marked and marked != "utf-8" and dialect.encoding is None:
        notes.append(f"{path}: is read as {marked}")
    if marked and dialect.encoding and not _same(marked, dialect.encoding):
        notes.append(f"{path}: is read as {marked}, not as {dialect.encoding}: its mark says so")
    is_legacy = not marked and dialect.encoding and not _is_unicode(dialect.encoding)
    if is_legacy and is_utf8_beyond_ascii(path):  # which other text never is by chance
        chosen = "utf-8"
        notes.append(f"{path}: is read as utf-8, which it is, not as {dialect.encoding}")
    try:
        return chosen, scan(path, chosen), notes
    except NotInEncodingError:
        guessed = None if marked or dialect.encoding else guess_encoding(path)
        if guessed is None:
            raise
    scanned = scan(path, guessed)
    notes.append(
        f"{path}: is not UTF-8 and is read as {guessed}, by its letters; set the encoding if they "
        "come out wrong"
    )
    return guessed, scanned, notes


def _is_unicode(encoding: str) -> bool:
    return codec_of(encoding).lower().startswith(("utf", "u8", "u16", "u32"))


def _same(encoding: str, other: str) -> bool:
    return codec_of(encoding).replace("-", "")[:5] == codec_of(other).replace("-", "")[:5]


def _first_lines(path: Path, encoding: str, meter: Meter) -> list[str]:
    """The lines that may stand before a header, the header, and some rows."""
    longest = meter.limits.header_bytes
    lines: list[str] = []
    with path.open(encoding=codec_of(encoding), newline="") as file:
        while len(lines) < _MOST_SKIPPED + _ROWS_SHOWN and (line := file.readline(longest + 1)):
            meter.check_line(len(line))
            lines.append(line)
            if len(line) > 1 << 20:
                break
    return lines


def _find_header(lines: list[str], start: int, separator: str | None) -> int:
    """The number of the header's line, counted from 0."""
    sign, width = _usual_width(lines[start:], separator)
    first, n_titles = None, 0
    for number, line in enumerate(lines[start : start + _MOST_SKIPPED], start):
        if not line.strip():
            continue
        fields = _fields(line, sign)
        if line.startswith("#") and not len(fields) == width > 1:
            continue
        first = number if first is None else first
        if line.count('"') % 2:  # a name with a line end in it
            return first
        if not _is_title(fields, width):
            below = [_fields(row, sign) for row in lines[number + 1 :]]
            return number if not n_titles or _is_header(fields, below) else first
        n_titles += 1
    return start if first is None else first


def _usual_width(lines: list[str], separator: str | None) -> tuple[str, int]:
    """The separator that cuts most lines into the same number of fields, and that number."""
    best = (0, 0, SEPARATORS[0])
    for sign in SEPARATORS if separator is None else (separator,):
        widths = Counter(len(_fields(line, sign)) for line in lines if line.strip())
        del widths[1]
        if widths:
            width, count = widths.most_common(1)[0]
            best = max(best, (count, width, sign), key=lambda found: found[:2])
    return best[2], best[1]


def _is_title(fields: list[str], width: int) -> bool:
    """Whether a line is narrower than the table, or has one field filled of three and more."""
    n_filled = sum(1 for field in fields if field.strip())
    return len(fields) < width or (len(fields) == width > 2 and n_filled <= 1)


def _is_header(fields: list[str], rows: list[list[str]]) -> bool:
    """Whether a line under titles names columns: words above numbers."""
    return not any(map(_is_number, fields)) and any(_is_number(f) for row in rows for f in row)


def _is_number(field: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?[0-9][0-9.,' ]*\s*", field))


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
    except csv.Error:
        return [line]


def _separator_of(path: Path, header: str) -> str:
    """The usual separator, unless the header has none of it but another."""
    usual = usual_separator(path)
    widths = {sign: len(_fields(header, sign)) for sign in (usual, *SEPARATORS)}
    best = max(widths, key=lambda sign: widths[sign])
    return usual if widths[usual] > 1 or widths[best] <= 1 else best
