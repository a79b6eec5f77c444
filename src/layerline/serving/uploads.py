"""CSV, Parquet and npy bodies -> rows. To add a format: a function, and a line in UPLOADS.

A small body may decode to a large table (Parquet repeats a value for a few bytes), so rows and
cells are counted before they are read.
"""

import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.errors import LayerlineError
from layerline.sources.reading.delimited import read_fields
from layerline.sources.reading.dialect import Dialect
from layerline.tables.storage import to_frame
from layerline.text import first_line

MAX_CELLS = 50_000_000
NPY = "application/x-npy"

Uploaded = pd.DataFrame | NDArray[Any]


class Unreadable(Exception):  # noqa: N818 (a body is, nothing failed)
    """The body does not match its content type."""


def _csv(body: bytes, dialect: Dialect) -> pd.DataFrame:
    # CSV is read as in training, by the same reader, which needs a file.
    with tempfile.TemporaryDirectory(prefix="layerline-upload-") as folder:
        path = Path(folder) / "body.csv"
        path.write_bytes(body)
        try:
            return to_frame(read_fields(path, dialect).table)
        except (LayerlineError, ValueError, pa.ArrowException) as error:
            raise Unreadable(str(error).replace(str(path), "the body")) from None


def _parquet(body: bytes, dialect: Dialect) -> pd.DataFrame:
    try:
        with pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True) as file:
            _require_cells(file.metadata.num_rows * file.metadata.num_columns)
            return to_frame(file.read())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"the body is not Parquet: {first_line(error)}") from None


def _npy(body: bytes, dialect: Dialect) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(io.BytesIO(body), allow_pickle=False)
        if not isinstance(array, np.ndarray) or not array.ndim:
            raise ValueError("it contains no array")
    except (ValueError, OSError, EOFError) as error:
        raise Unreadable(f"the body is not an .npy file: {first_line(error)}") from None
    return array


def _require_cells(n_cells: int) -> None:
    if n_cells > MAX_CELLS:
        raise Unreadable(
            f"the body has {n_cells:,} cells, more than {MAX_CELLS:,}; send it in parts"
        )


UPLOADS: Mapping[str, Callable[[bytes, Dialect], Uploaded]] = {
    "text/csv": _csv,
    "application/vnd.apache.parquet": _parquet,
    NPY: _npy,
}
