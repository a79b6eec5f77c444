"""A table of openml.org, by its id or its name, through scikit-learn; downloads are kept."""

import contextlib
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.parse import quote

from pydantic import Field

from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.sources.source import SourceInfo

_TIMEOUT_SECONDS = 30.0


def fetch(
    folder: Path,
    target: str,
    *,
    id: Annotated[int, Field(ge=1)] | None = None,  # noqa: A002 - as OpenML calls it
    name: str | None = None,
    version: Annotated[int, Field(ge=1)] | None = None,
    data_home: str | None = None,
) -> SourceInfo:
    """Write the data set as a table; nominal columns are text.

    Args:
        folder: where `table.parquet` goes.
        target: the column to predict; it must be there.
        id: of the data set.
        name: instead of the id.
        version: of the name; null is the oldest active one.
        data_home: where downloads are kept; null is .layerline/downloads.

    Raises:
        ParamsError: no id and no name, or there is no such data set.
        SourceError: OpenML cannot be reached, or what it sends is not what it describes.
        DataError: the data set is sparse, or lacks the target.
    """
    # Here, not above: scikit-learn costs 1.6 s, and this module is imported to check params.
    from layerline.sources.reading.remote import downloads
    from layerline.tables.storage import require_target

    if (id is None) == (name is None) or (version is not None and name is None):
        message = "give either an id, or a name and optionally its version"
        raise ParamsError([Problem("fetch.options.id", message)])
    called = f"OpenML {id or name}"
    bunch, notes = _load(called, id, name, version, str(data_home or downloads()))
    own = bunch.details.get("default_target_attribute") or "not given"
    columns = list(map(str, bunch.frame.columns))
    require_target(columns, target, f"{called} (OpenML's own target: {own})")
    notes += _write(folder, bunch.frame, called)
    details = bunch.details
    origin = {key: details.get(key) for key in ("id", "name", "version", "url", "md5_checksum")}
    return SourceInfo("table", None, {**origin, "n_rows": len(bunch.frame)}, tuple(notes))


def _write(folder: Path, frame: Any, called: str) -> list[str]:
    """Write the table through the same reader as files, so that a value means the same."""
    import pyarrow as pa

    from layerline.sources.reading.display_names import renamed, shown_as
    from layerline.sources.reading.reader import open_files
    from layerline.tables.storage import TABLE, write_tables

    with tempfile.TemporaryDirectory(dir=folder, prefix=".rows") as spool:
        path = Path(spool) / "rows.arrow"
        rows = pa.Table.from_pandas(frame.apply(_unquoted), preserve_index=False)
        with pa.ipc.new_file(str(path), rows.schema) as writer:
            writer.write_table(rows)
        names = {str(path): called}
        with shown_as(names):
            reading = open_files([path])
            write_tables(folder / TABLE, reading.schema, reading.tables())
        return [renamed(note, names) for note in reading.notes]


def _unquoted(column: Any) -> Any:
    """Text without ARFF's quotes, which scikit-learn leaves around it in string attributes."""
    if column.dtype.name not in ("object", "str", "string"):
        return column
    quoted = column.str.fullmatch("'.*'", flags=re.DOTALL, na=False)
    bare = column.str.slice(1, -1).str.replace(r"\\(.)", r"\1", regex=True)
    return column.where(~quoted, bare)


def _load(
    called: str, number: int | None, name: str | None, version: int | None, home: str
) -> tuple[Any, list[str]]:
    """The data set with all its columns, and the warnings of OpenML."""
    from sklearn.datasets import fetch_openml
    from sklearn.datasets._openml import OpenMLError

    which: dict[str, Any] = {"data_id": number}
    if name is not None:
        which = {"name": quote(name, safe=""), "version": version or "active"}
    with _socket_timeout(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            bunch = fetch_openml(
                **which,
                target_column=None,
                data_home=home,
                as_frame=True,
                parser="pandas",
                n_retries=1,
                # pandas' own parser is faster, and wrong in the last digit of some numbers.
                read_csv_kwargs={"float_precision": "round_trip"},
            )
        except OpenMLError as error:
            where = "fetch.options.id" if name is None else "fetch.options.name"
            raise ParamsError([Problem(where, f"{str(error).rstrip('.')} on OpenML")]) from None
        except (OSError, ValueError, KeyError, EOFError, TypeError, IndexError) as error:
            raise _failed(called, error) from None
    found = (" ".join(str(one.message).split()) for one in caught if one.category is UserWarning)
    return bunch, [note for note in dict.fromkeys(found) if "network error" not in note]


def _failed(called: str, error: Exception) -> DataError | SourceError:
    text = " ".join(str(error).split())[:300] or type(error).__name__
    if text.startswith("Sparse ARFF"):
        return DataError(
            f"{called}: is sparse; a network needs a dense table, choose another data set"
        )
    if isinstance(error, HTTPError):
        error.close()
    if isinstance(error, OSError):
        return SourceError(f"{called}: cannot be reached and is not in the cache ({text})")
    return SourceError(f"{called}: the response is damaged or not as described ({text})")


@contextlib.contextmanager
def _socket_timeout() -> Iterator[None]:
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)  # urllib sets none and would hang
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
