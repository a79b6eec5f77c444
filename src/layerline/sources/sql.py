"""A query or a table of any database that SQLAlchemy reaches: SQLite, PostgreSQL, MySQL, ...

Credentials come from the environment: a whole URL in a variable that `url_env` names, or what the
driver itself reads (PGUSER, PGPASSWORD, a PostgreSQL passfile).
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layerline.errors import DataError
from layerline.sources.source import SourceInfo

CHUNK_ROWS = 1 << 16


def fetch(
    folder: Path,
    target: str | tuple[str, ...],
    *,
    url: str | None = None,
    url_env: str | None = None,
    query: str | None = None,
    table: str | None = None,
    text: list[str] | None = None,
) -> SourceInfo:
    """Write the rows of a query, or of a table by its primary key.

    The rows are read once, chunk by chunk, and kept on disk until the type of each column is known
    from all of them.

    Args:
        folder: where `table.parquet` goes.
        target: the column to predict, or several.
        url: of the database, without user and password.
        url_env: the environment variable that holds the URL, if that has a password.
        query: one SELECT, in the database's own SQL.
        table: instead of a query; `schema.table` names one in a schema.
        text: columns to keep as text whatever they hold.

    Raises:
        ParamsError: the URL, query or table is unknown or refused.
        SourceError: the database cannot be reached, or the connection broke.
        DataError: no rows, a column twice or of several types, or no target.
    """
    # Here, not above: params are checked against this signature where nothing is read.
    from layerline.sources.reading.databases import find_url, without_secrets
    from layerline.sources.reading.display_names import renamed, shown_as
    from layerline.sources.reading.reader import open_files
    from layerline.tables.storage import TABLE, require_target, write_tables

    found = find_url(url, url_env)
    shown = without_secrets(found)
    notes = ["DVC does not watch databases: after a change there, run `dvc repro -f fetch`"]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".rows") as spool:
        chunks = list(_spool(Path(spool), found, query, table, notes))
        names = {str(path): f"{shown}: rows {_rows_of(path)}" for path in chunks}
        with shown_as(names):
            if not chunks:
                raise DataError(f"{shown}: the {'query' if query else 'table'} has no rows")
            reading = open_files(chunks, text=text or ())
            require_target(reading.schema.names, target, shown)
            n_rows = write_tables(folder / TABLE, reading.schema, reading.tables())
        notes += [renamed(note, names) for note in reading.notes]
    origin = {"database": shown, "query": query, "table": table, "n_rows": n_rows}
    return SourceInfo("table", None, origin, tuple(notes))


def _spool(
    folder: Path, url: Any, query: str | None, table: str | None, notes: list[str]
) -> Iterator[Path]:
    """Write each chunk as an Arrow file named by its rows."""
    import pyarrow as pa

    from layerline.sources.reading.databases import open_rows
    from layerline.sources.reading.records import column_of

    with open_rows(url, query, table, CHUNK_ROWS) as rows:
        if not rows.is_ordered:
            notes.append("the rows have no fixed order, and it may change: add ORDER BY")
        n_before = 0
        for chunk in rows.chunks:
            arrays = []
            for name, values in zip(rows.names, zip(*chunk, strict=True), strict=True):
                array, note = column_of(list(values), f"column {name!r}")
                arrays.append(array)
                if note and note not in notes:
                    notes.append(note)
            batch = pa.record_batch(arrays, names=rows.names)
            path = folder / f"{n_before + 1:012d}-{n_before + len(chunk):012d}.arrow"
            n_before += len(chunk)
            with pa.ipc.new_file(str(path), batch.schema) as writer:
                writer.write_batch(batch)
            yield path


def _rows_of(path: Path) -> str:
    first, _, last = path.stem.partition("-")
    return f"{int(first)} to {int(last)}"
