"""The sheets of an Excel file (.xlsx) as CSV files, so that a cell means what a field means.

Numbers are written with all their digits, dates in ISO form; a formula is its last value, an error
(#N/A) an empty field.
"""

import contextlib
import csv
import datetime
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from layerline.columns.missing import SHEET_ERRORS
from layerline.errors import ParamsError, Problem, SourceError
from layerline.sources.reading.compressed import allowed_bytes

EXCEL = (".xlsx", ".xlsm")
_ERRORS = frozenset(SHEET_ERRORS)


@contextlib.contextmanager
def open_sheets(path: Path) -> Iterator[dict[str, Any]]:
    """Name -> sheet, for each visible sheet with a cell in it.

    Raises:
        ParamsError: openpyxl is not installed.
        SourceError: it unpacks to more than its size allows.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        message = f"{path} needs the package openpyxl: pip install openpyxl; or save it as CSV"
        raise ParamsError([Problem("fetch.options.path", message)]) from None

    with zipfile.ZipFile(path) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > allowed_bytes(path):
            raise SourceError(f"{path}: unpacks to more than its size allows, as bombs do")
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        yield {sheet.title: sheet for sheet in visible if any(_rows(sheet))}
    finally:
        book.close()


def sheet_as_csv(sheet: Any) -> IO[bytes]:
    """The rows of a sheet, without empty ones, and without columns that are empty to the right."""
    rows = [row for row in _rows(sheet) if any(row)]
    width = max(max(i for i, field in enumerate(row, 1) if field) for row in rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([*row, *[""] * width][:width] for row in rows)
    return io.BytesIO(text.getvalue().encode())


def _rows(sheet: Any) -> Iterator[list[str]]:
    for row in sheet.iter_rows(values_only=True):
        yield [_as_field(value) for value in row]


def _as_field(value: Any) -> str:
    if value is None or value in _ERRORS:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime):
        at_midnight = value.time() == datetime.time()
        return value.date().isoformat() if at_midnight else value.isoformat(sep=" ")
    return str(value)
