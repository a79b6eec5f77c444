"""CSV, TSV, Excel, Parquet, Arrow or JSON files: one, a glob pattern, a folder, or a list of these.

They lie on this machine or behind http(s):// and s3://, plain, compressed or in a zip or tar
archive. A folder's partitions (`year=2024/`) are columns.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from layerline.columns.written import DateForm
from layerline.errors import DataError, ParamsError, Problem
from layerline.sources.source import SourceInfo

if TYPE_CHECKING:
    from layerline.sources.reading.reader import Reading


def fetch(
    folder: Path,
    target: str | tuple[str, ...],
    *,
    path: str | list[str],
    separator: str | None = None,
    encoding: str | None = None,
    missing: list[str] | None = None,
    text: list[str] | None = None,
    decimal: Literal[".", ","] | None = None,
    dates: DateForm | dict[str, DateForm] | None = None,
    union: bool = False,
    sha256: Annotated[str, Field(pattern="^[0-9A-Fa-f]{64}$")] | None = None,
) -> SourceInfo:
    """Write the rows of all files, in the order of their names, as one table.

    Args:
        folder: where `table.parquet` goes.
        target: the column to predict, or several.
        path: file, pattern, folder, archive, URL or list; relative to the repository root.
        separator: of CSV files; null finds it from the header.
        encoding: of CSV and JSON-lines files; null finds it.
        missing: words for a missing value in any column of a CSV file, beside the empty field.
        text: columns that are text even when they look like numbers (`00123` is text anyway).
        decimal: the decimal mark of numbers that can be read in two ways (`1,234`).
        dates: the form of ambiguous dates (`03/04/2024`), or what numbers count, by column.
        union: whether a column that a file lacks is missing there; else the files are refused.
        sha256: what the one file, or the archive, must have.

    Raises:
        DataError: empty, malformed, columns that differ, or no target.
        SourceError: a file is missing, cannot be read, or has another sha256.
    """
    from layerline.columns.forms import Choices
    from layerline.sources.reading.dialect import Dialect
    from layerline.sources.reading.display_names import renamed, shown_as
    from layerline.sources.reading.paths import display_name, find_files, find_partitions
    from layerline.sources.reading.reader import find_crew, open_parts, read_parts
    from layerline.tables.storage import TABLE, write_tables

    crew = find_crew(folder)
    paths = find_files(path, sha256, crew and crew.each)
    names = {str(file): shown for file in paths if (shown := display_name(file))}
    dialect = Dialect(separator, encoding, tuple(missing or ()))
    with shown_as(names):
        parts = open_parts(paths, dialect, find_partitions(path, paths, sha256), crew)
        reading = read_parts(parts, text or (), union, Choices.of(decimal, dates, target), crew)
        _require_columns(reading, target, text or (), paths[0])
        write_tables(folder / TABLE, reading.schema, reading.tables())
    return _info(reading, names, [*(renamed(n, names) for n in reading.notes), *_unwatched(path)])


def _info(reading: "Reading", names: Mapping[str, str], notes: Sequence[str]) -> SourceInfo:
    files = [file | {"path": names.get(file["path"], file["path"])} for file in reading.files]
    written = {name: form.to_dict() for name, form in reading.written.items()}
    return SourceInfo("table", None, {"files": files}, tuple(notes), written)


def _unwatched(path: str | list[str]) -> list[str]:
    from layerline.sources.reading.remote_systems import is_remote

    if not any(is_remote(one) for one in ([path] if isinstance(path, str) else path)):
        return []
    return ["DVC does not watch URLs: after a change there, run `dvc repro -f fetch`"]


def _require_columns(
    reading: "Reading", target: str | tuple[str, ...], text: Sequence[str], file: Path
) -> None:
    from layerline.tables.storage import require_target
    from layerline.text import listing

    columns = reading.schema.names
    for name in (target,) if isinstance(target, str) else target:
        if name in reading.unusable:
            raise DataError(reading.unusable[name])
    require_target(columns, target, str(file))
    absent = [name for name in text if name not in columns]
    if absent:
        message = f"{file} has no column {absent[0]!r}; its columns: {listing(columns)}"
        raise ParamsError([Problem("fetch.options.text", message)])
