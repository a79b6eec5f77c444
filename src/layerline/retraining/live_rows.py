"""Predictions that were served, and their true values as they become known, joined by id.

reports/live_rows.parquet keeps them: a row for each id, with the last prediction that was logged
and the last true value that was given. Values are text there, numbers of a regression aside.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from layerline.artifacts import Workspace, replace_file
from layerline.columns.cast import cast_column
from layerline.columns.spec import ColumnSpec
from layerline.drift.new_rows import CHUNK_ROWS, read_request_log
from layerline.errors import DataError, SourceError
from layerline.model.bundle import About
from layerline.model.chunks import check_input, read_chunks
from layerline.model.inputs import without_words
from layerline.model.row_chunk import ReadOptions
from layerline.tables.storage import read_parquet, write_table
from layerline.validation.profile import plain_level

TIME, VERSION, ACTUAL = "time", "version", "actual"
SHADOW = "shadow_"  # before the names of what the shadow predicted
_LEFT_OUT = ("row", "answer", "shadow")


class Truths(NamedTuple):
    """The true values of a file by id, the last of each; rows without a value are counted."""

    by_id: Mapping[str, Any]
    n_without: int


def rows_path(workspace: Workspace) -> Path:
    """Where the rows are kept."""
    return workspace.reports / "live_rows.parquet"


def read_truths(path: Path, id_column: str, target: ColumnSpec, about: About) -> Truths:
    """Read the labels of a file.

    Raises:
        ParamsError, SourceError: as `model.chunks.read_chunks`.
        DataError: a column is missing.
    """
    check_input(path)
    options = ReadOptions(CHUNK_ROWS, as_text=True, dialect=about.dialect, keep=())
    found: dict[str, Any] = {}
    n_without = 0
    for chunk in read_chunks(path, options):
        rows = chunk.rows()
        if not isinstance(rows, pd.DataFrame):
            raise DataError(f"{path}: holds arrays; labels are a table, of ids and truths")
        for name in (id_column, target.name):
            if name not in rows:
                raise DataError(
                    f"{path}: column {name!r} is missing; a file of labels has the ids of rows "
                    f"that were served ({id_column!r}, see retrain.live.id) and {target.name!r}"
                )
        cast = cast_column(without_words(rows[target.name], about.dialect.missing), target)
        is_there = (cast.values.notna() & rows[id_column].notna()).to_numpy()
        n_without += int((~is_there).sum())
        values = as_kept(cast.values[is_there], about)
        found |= dict(zip(map(id_text, rows[id_column][is_there]), values, strict=True))
    return Truths(found, n_without)


def as_kept(values: pd.Series, about: About) -> list[Any]:
    """Numbers of a regression as they are, labels as text."""
    if about.classes is None:
        return list(values.to_numpy(dtype=np.float64))
    return [str(plain_level(value)) for value in values]


def id_text(value: Any) -> str:
    """An id as text: 17 and 17.0 are the same, 017 is another."""
    return str(plain_level(value.item() if isinstance(value, np.generic) else value))


def log_files(path: Path) -> list[Path]:
    """The request log and the one before it, the older first, where they are."""
    return [file for file in (path.with_name(f"{path.name}.1"), path) if file.is_file()]


def read_log(path: Path, about: About) -> Iterator[dict[str, Any]]:
    """The logged predictions that have an id, of the file and of the one before it.

    Raises:
        SourceError: there is no such file.
    """
    files = log_files(path)
    if not files:
        raise SourceError(
            f"{path}: no request log is there; write it with `layerline serve --request-log "
            f"{path} --log-sample 1 --log-id FIELD`, or name it in retrain.live.log"
        )
    for file in files:
        for entries in read_request_log(file):
            for entry in entries:
                if entry.get("id") is not None:
                    yield _kept_entry(entry, about)


def _kept_entry(entry: Mapping[str, Any], about: About) -> dict[str, Any]:
    found = {name: entry[name] for name in entry if name not in _LEFT_OUT}
    found |= {f"{SHADOW}{name}": value for name, value in entry.get("shadow", {}).items()}
    for name in ("prediction", f"{SHADOW}prediction"):
        if about.classes is not None and name in found:
            found[name] = str(plain_level(found[name]))
    return {**found, "id": id_text(entry["id"]), ACTUAL: None}


def join(workspace: Workspace, log: Path, truths: Truths, about: About) -> pd.DataFrame:
    """Update the kept rows by the log and by new truths; return them."""
    path = rows_path(workspace)
    saved = read_parquet(path) if path.exists() else pd.DataFrame(columns=["id", TIME, ACTUAL])
    logged = pd.DataFrame(list(read_log(log, about)))
    known = saved.dropna(subset=ACTUAL).set_index("id")[ACTUAL].to_dict() | dict(truths.by_id)
    parts = [part for part in (saved, logged) if len(part)]
    if not parts:
        raise DataError(
            f"{log}: no row has an id; serve with --log-id FIELD, the field of a row that names it"
        )
    rows = pd.concat([part.drop(columns=ACTUAL) for part in parts], ignore_index=True)
    rows = rows.sort_values(TIME, kind="stable").drop_duplicates("id", keep="last")
    rows = rows.assign(**{ACTUAL: rows["id"].map(known)}).reset_index(drop=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as temporary:
        write_table(temporary, rows)
    return rows
