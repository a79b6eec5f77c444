"""CSV, TSV or Parquet files on this machine: one, a glob pattern, a folder, or a list of these."""

from pathlib import Path

from layerline.data.sources.info import SourceInfo
from layerline.errors import ParamsError, Problem


def fetch(
    folder: Path,
    target: str,
    *,
    path: str | list[str],
    separator: str | None = None,
    encoding: str = "utf-8",
    missing: list[str] | None = None,
    text: list[str] | None = None,
) -> SourceInfo:
    """Write the rows of all files, in the order of their names, as one table.

    Args:
        folder: where `table.parquet` goes.
        target: the column to predict; it must be there.
        path: file, pattern, folder or list; relative to the repository root.
        separator: of CSV files; null finds it from the header.
        encoding: of CSV files.
        missing: words that stand for a missing value in every column of a CSV file, beside the
            empty field.
        text: columns that are text even when they look like numbers (`00123` is text anyway).

    Raises:
        DataError: the files are empty, malformed, differ in their columns, or lack the target.
        SourceError: nothing is there, or it cannot be read.
    """
    # Here, not above: params are checked against this signature where nothing is read.
    from layerline.data.reading.delimited import Dialect
    from layerline.data.reading.files import read_files
    from layerline.data.reading.finding import find_files
    from layerline.data.tables import TABLE, listing, require_target, write_table

    paths = find_files(path)
    read = read_files(paths, Dialect(separator, encoding, tuple(missing or ())), text or ())
    columns = read.table.column_names
    require_target(columns, target, str(paths[0]))
    absent = [name for name in text or () if name not in columns]
    if absent:
        message = f"{paths[0]} has no column {absent[0]!r}; its columns: {listing(columns)}"
        raise ParamsError([Problem("fetch.options.text", message)])
    write_table(folder / TABLE, read.table)
    return SourceInfo("table", None, {"files": list(read.files)}, read.notes)
