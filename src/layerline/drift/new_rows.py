"""New rows of a file, of a server's request log, or of a frame: read as the model reads them."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerline.drift.column_counts import ColumnCounts
from layerline.drift.joint_sample import JointSample, read_column
from layerline.errors import DataError, SourceError
from layerline.model.bundle import Rows
from layerline.model.chunks import check_input, read_chunks
from layerline.model.image_inputs import read_images
from layerline.model.inputs import require_columns, with_absent
from layerline.model.predictor import Model
from layerline.model.reference import Reference, image_looks
from layerline.model.row_chunk import ReadOptions
from layerline.sources.reading.paths import PARQUET

CHUNK_ROWS = 49_152
MOST_ROWS = 50_000
_LOGGED = {"time", "version", "row", "prediction"}


@dataclasses.dataclass
class NewRows:
    """New rows counted against a model's reference.

    Attributes:
        columns: by the columns that the model reads.
        prediction: the model's predictions of the rows that it can read; None of several targets.
        target: None until a row has the target, and of several targets.
        n_rows: how many were read.
        sample: a part of them, row by row.
    """

    model: Model
    reference: Reference
    columns: dict[str, ColumnCounts] = dataclasses.field(init=False)
    prediction: ColumnCounts | None = dataclasses.field(init=False)
    target: ColumnCounts | None = None
    n_rows: int = 0
    sample: JointSample = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        sketches = self.reference.columns.items()
        self.columns = {name: ColumnCounts(sketch) for name, sketch in sketches}
        known = self.reference.prediction
        self.prediction = None if known is None else ColumnCounts(known)
        self.sample = JointSample(self.model.about, self.reference.target_spec)

    def add(self, rows: Rows, may_be_drawn: "np.ndarray | None" = None) -> None:
        """Count some rows, in any order of columns; of images an array or a table of pixels.

        The sample is drawn from all of them, or from those that `may_be_drawn` (B,).

        Raises:
            DataError: a column is missing.
        """
        about = self.model.about
        self.n_rows += len(rows)
        self.sample.add(rows, may_be_drawn)
        if about.image_shape is not None:
            self._add_images(rows)
            return
        if not isinstance(rows, pd.DataFrame):
            raise DataError("the model reads a table with named columns, not arrays")
        rows = with_absent(rows, about.columns, about.dialect.union)
        require_columns(rows, about.columns)
        read, is_bad = {}, np.zeros(len(rows), dtype=np.bool_)
        for spec in about.columns:
            read[spec.name], unread = read_column(rows, spec, about)
            is_bad |= unread
            if spec.name in self.columns:
                self.columns[spec.name].add(read[spec.name], unread)
        self._predict(pd.DataFrame(read, index=rows.index)[~is_bad])
        self._add_target(rows)

    def _add_images(self, rows: Rows) -> None:
        about = self.model.about
        images = read_images(rows, about.image_shape or (), about.target)
        looks = image_looks(images)
        for name, counts in self.columns.items():
            counts.add(looks[name])
        self._predict(images)
        if isinstance(rows, pd.DataFrame):
            self._add_target(rows)

    def _predict(self, typed: Rows) -> None:
        if not len(typed) or self.prediction is None:
            return
        outputs = self.model.outputs(typed)
        is_finite = np.isfinite(outputs).all(axis=1)
        self.prediction.add(self.model.decode(outputs[is_finite])["prediction"])

    def _add_target(self, rows: pd.DataFrame) -> None:
        spec, known = self.reference.target_spec, self.reference.target
        if spec is None or known is None or spec.name not in rows:
            return
        if self.target is None:
            self.target = ColumnCounts(known)
        self.target.add(*read_column(rows, spec, self.model.about))


def read_new_rows(path: Path, model: Model, reference: Reference) -> NewRows:
    """Count the rows of a file that `layerline predict` reads, or of a request log.

    Of a long Parquet file they are evenly spaced, and at least MOST_ROWS: more would say no more.

    Raises:
        ParamsError, SourceError, DataError: as `model.chunks.read_chunks` does; also a file without
            rows.
    """
    counted = NewRows(model, reference)
    for rows in _rows_of(path, model):
        counted.add(rows)
    pa.default_memory_pool().release_unused()  # what comes next needs it
    if not counted.n_rows:
        raise DataError(f"{path}: holds no rows, so nothing can be compared")
    return counted


def _step(path: Path) -> int:
    if path.suffix.lower() not in PARQUET:
        return 1  # how many there are is known at their end
    try:
        return max(pq.read_metadata(path).num_rows // MOST_ROWS, 1)
    except (pa.ArrowException, OSError):
        return 1  # the reader says what is wrong


def _rows_of(path: Path, model: Model) -> Iterator[Rows]:
    if is_request_log(path):
        return (_as_rows(entry["row"] for entry in part) for part in read_request_log(path))
    check_input(path)
    dialect = model.about.dialect
    options = ReadOptions(CHUNK_ROWS, as_text=True, dialect=dialect, keep=(), step=_step(path))
    return (chunk.rows() for chunk in read_chunks(path, options))


def _as_rows(rows: Iterable[object]) -> Rows:
    found = list(rows)
    return pd.DataFrame(found) if isinstance(found[0], dict) else np.asarray(found)


def is_request_log(path: Path) -> bool:
    """Whether the first line is one that `layerline serve --request-log` writes."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(1 << 20))
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and set(first) >= _LOGGED


def read_request_log(path: Path) -> Iterator[list[dict[str, object]]]:
    """The entries of a log in pieces; a line that was cut short is left out.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            while lines := list(itertools.islice(file, CHUNK_ROWS // 8)):
                entries = [entry for line in lines if (entry := _entry(line)) is not None]
                if entries:
                    yield entries
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None


def _entry(line: bytes) -> dict[str, object] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and set(found) >= _LOGGED else None
