"""CSV, TSV, Parquet, Arrow or JSON-lines files: one, a glob pattern, a folder, or a list of these.

They lie on this machine or behind http(s):// and s3://, as they are or in a zip or tar archive. A
folder's partitions (`year=2024/`) are columns.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from layerline.errors import ParamsError, Problem
from layerline.sources.fetched import SourceInfo


def fetch(
    folder: Path,
    target: str,
    *,
    path: str | list[str],
    separator: str | None = None,
    encoding: str = "utf-8",
    missing: list[str] | None = None,
    text: list[str] | None = None,
    sha256: Annotated[str, Field(pattern="^[0-9A-Fa-f]{64}$")] | None = None,
) -> SourceInfo:
    """Write the rows of all files, in the order of their names, as one table.

    Args:
        folder: where `table.parquet` goes.
        target: the column to predict; it must be there.
        path: file, pattern, folder, archive, path in an archive, URL or list; relative to the
            repository root.
        separator: of CSV files; null finds it from the header.
        encoding: of CSV and JSON-lines files.
        missing: words that stand for a missing value in every column of a CSV file, beside the
            empty field.
        text: columns that are text even when they look like numbers (`00123` is text anyway).
        sha256: what the one file, or the archive, must have.

    Raises:
        DataError: the files are empty, malformed, differ in their columns, or lack the target.
        SourceError: nothing is there, or it cannot be read, or it has another sha256.
    """
    # Here, not above: params are checked against this signature where nothing is read.
    from layerline.sources.reading.delimited import Dialect
    from layerline.sources.reading.paths import find_files, find_partitions, said_of
    from layerline.sources.reading.reader import open_files
    from layerline.sources.reading.remote import is_remote, renamed, saying
    from layerline.tables.storage import TABLE, require_target, write_tables
    from layerline.text import listing

    paths = find_files(path, sha256)
    names = {str(file): said for file in paths if (said := said_of(file))}
    with saying(names):
        dialect = Dialect(separator, encoding, tuple(missing or ()))
        reading = open_files(paths, dialect, text or (), find_partitions(path, paths, sha256))
        columns = reading.schema.names
        require_target(columns, target, str(paths[0]))
        absent = [name for name in text or () if name not in columns]
        if absent:
            message = f"{paths[0]} has no column {absent[0]!r}; its columns: {listing(columns)}"
            raise ParamsError([Problem("fetch.options.text", message)])
        write_tables(folder / TABLE, reading.schema, reading.tables())
    origin: list[dict[str, Any]] = [
        file | {"path": names.get(file["path"], file["path"])} for file in reading.files
    ]
    notes = [renamed(note, names) for note in reading.notes]
    if any(is_remote(one) for one in ([path] if isinstance(path, str) else path)):
        notes.append("DVC does not watch URLs: after a change there, `dvc repro -f fetch`")
    return SourceInfo("table", None, {"files": origin}, tuple(notes))
