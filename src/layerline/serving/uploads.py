"""CSV, Parquet, npy and picture bodies -> rows. To add a format: a function, and a line in UPLOADS.

A small body may decode to a large table (Parquet repeats a value for a few bytes): columns, rows,
cells and bytes are counted before and while it is read, and only the model's columns are.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import LayerlineError
from layerline.model.bundle import About
from layerline.model.pictures import decode_pictures, picture_form
from layerline.sources.reading.delimited import read_fields
from layerline.sources.reading.dialect import SEPARATORS
from layerline.tables.npy_files import NPY_ERRORS
from layerline.tables.storage import to_frame
from layerline.text import first_line, listing

MAX_CELLS = 20_000_000
MAX_COLUMNS = 8192  # or twice the model's, if it has more
MAX_JSON_VALUES = 2_500_000
DECODED_BYTES = 96 << 20
_BATCH_ROWS = 4096
NPY = "application/x-npy"
PICTURE_TYPES = ("image/png", "image/jpeg")

Uploaded = pd.DataFrame | NDArray[Any]


class Unreadable(Exception):  # noqa: N818 (a body is, nothing failed)
    """The body does not match its content type."""


class TooLarge(Exception):  # noqa: N818 (a body is, nothing failed)
    """The body decodes to more than the server takes."""


def _csv(body: bytes, about: About, columns: Sequence[str]) -> pd.DataFrame:
    dialect = about.dialect
    # Counted as bytes, before anything is made of them; other encodings have them in them, too.
    marks = [mark.encode() for mark in ([dialect.separator] if dialect.separator else SEPARATORS)]
    header = body[: body.find(b"\n")]
    _require_columns(max(header.count(mark) for mark in marks) + 1, columns)
    _require_cells(max(body.count(mark) for mark in marks))
    # CSV is read as in training, by the same reader, which needs a file.
    with temporary_folder() as folder:
        path = folder / "body.csv"
        path.write_bytes(body)
        try:
            table = read_fields(path, dialect, columns or None).table
        except MemoryError:
            raise
        except (LayerlineError, ValueError, pa.ArrowException) as error:
            raise Unreadable(str(error).replace(str(path), "the body")) from None
    return to_frame(table)


def _parquet(body: bytes, about: About, columns: Sequence[str]) -> pd.DataFrame:
    try:
        with pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True) as file:
            _require_columns(file.metadata.num_columns, columns)
            names = _parquet_columns(file.schema_arrow, columns)
            _require_cells(file.metadata.num_rows * len(names))
            return to_frame(_decode(file, names))
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"the body is not Parquet: {first_line(error)}") from None


def _parquet_columns(schema: pa.Schema, columns: Sequence[str]) -> list[str]:
    """The columns to read: the model's own, or all of them for images."""
    kept = [field for field in schema if not columns or field.name in columns]
    nested = [field.name for field in kept if pa.types.is_nested(field.type)]
    if nested:
        raise Unreadable(
            f"the columns {listing(nested)} hold lists or structures; send one value a field"
        )
    return [field.name for field in kept]


def _decode(file: pq.ParquetFile, names: list[str]) -> pa.Table:
    batches, n_bytes = [], 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
        n_bytes += batch.nbytes
        if n_bytes > DECODED_BYTES:
            raise TooLarge(
                f"the body decodes to more than {DECODED_BYTES >> 20} MiB; send fewer rows"
            )
        batch.validate(full=True)  # text that is no UTF-8 would fail wherever it is looked at
        batches.append(batch)
    schema = pa.schema([file.schema_arrow.field(name) for name in names])
    return pa.Table.from_batches(batches, schema if not batches else None)


def _npy(body: bytes, about: About, columns: Sequence[str]) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
        if not array.ndim:
            raise ValueError("it contains no array")
    except NPY_ERRORS as error:
        raise Unreadable(f"the body is not an .npy file: {first_line(error)}") from None
    return array


def _picture(body: bytes, about: About, columns: Sequence[str]) -> NDArray[Any]:
    form = picture_form(about)
    assert form is not None, "offered for these models alone"
    images, reasons = decode_pictures([body], form)
    if reasons:
        raise Unreadable(f"the body is not a picture this model takes: {reasons[0]}")
    return images


def require_json_size(body: bytes) -> None:
    """Refuse JSON of so many values that its objects would take gigabytes.

    Raises:
        TooLarge: there are more.
    """
    n_values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if n_values > MAX_JSON_VALUES:
        raise TooLarge(f"the body has more than {MAX_JSON_VALUES:,} values; send it in parts")


def _require_columns(n_columns: int, columns: Sequence[str]) -> None:
    most = max(MAX_COLUMNS, 2 * len(columns))
    if n_columns > most:
        raise TooLarge(
            f"the body has {n_columns:,} columns, more than {most:,}; send only the model's"
        )


def _require_cells(n_cells: int) -> None:
    if n_cells > MAX_CELLS:
        raise TooLarge(f"the body has {n_cells:,} cells, more than {MAX_CELLS:,}; send it in parts")


UPLOADS: Mapping[str, Callable[[bytes, About, Sequence[str]], Uploaded]] = {
    "text/csv": _csv,
    "application/vnd.apache.parquet": _parquet,
    NPY: _npy,
    **dict.fromkeys(PICTURE_TYPES, _picture),
}


def accepted_uploads(about: About) -> list[str]:
    """The content types besides JSON that a model takes."""
    unfit = {
        NPY: about.image_shape is None,
        **dict.fromkeys(PICTURE_TYPES, picture_form(about) is None),
    }
    return [name for name in UPLOADS if not unfit.get(name)]
