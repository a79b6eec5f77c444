"""What lies in data/raw and data/validated: one reader and one writer for every room.

A table is `table.parquet`; images are `images.npy` (N, H, W) or (N, H, W, C) uint8 beside
`labels.parquet`. Columns have one of five types, in Arrow (int64, double, bool, string,
timestamp[us]) and in pandas (int64, float64, bool, str, datetime64[us]); where values are missing,
whole numbers are float64 and truth values are object columns of True, False and None.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerline.errors import DataError, SourceError

TABLE, IMAGES, LABELS, QUARANTINE = (
    "table.parquet",
    "images.npy",
    "labels.parquet",
    "quarantine.parquet",
)
SPLIT_VALUES = ("train", "valid", "test")


def write_table(path: Path, table: pa.Table | pd.DataFrame) -> None:
    """Write Parquet without index and pandas metadata: equal content has equal bytes."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    for position, column in enumerate(table.schema):
        if pa.types.is_null(column.type):
            # A null column would be read as objects; a column of nothing is a number column.
            values = table.column(position).cast(pa.float64())
            table = table.set_column(position, column.name, values)
    table = table.replace_schema_metadata(None)
    pq.write_table(table, path, row_group_size=1 << 17, write_page_checksum=True)


def write_images(folder: Path, images: np.ndarray, labels: pd.DataFrame) -> None:
    """Write images (N, H, W[, C]) uint8 and one row of labels for each."""
    np.save(folder / IMAGES, images, allow_pickle=False)
    write_table(folder / LABELS, labels)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as the pandas frame that every room works on."""
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file that a stage wrote.

    Raises:
        SourceError: the file is missing or damaged.
    """
    try:
        return to_frame(pq.read_table(path, partitioning=None, page_checksum_verification=True))
    except FileNotFoundError:
        raise SourceError(f"{path}: not there; run the earlier stages first: `dvc repro`") from None
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: damaged ({first_line(error)}); run `dvc repro -f`") from None


def read_table(folder: Path) -> pd.DataFrame:
    """The rows of data/raw or data/validated: the table, or the labels of the images."""
    path = folder / TABLE
    return read_parquet(path if path.exists() else folder / LABELS)


def read_images(folder: Path) -> np.ndarray:
    """(N, H, W) or (N, H, W, C) uint8, mapped from disk, not loaded.

    Raises:
        SourceError: the file is missing or damaged.
    """
    path = folder / IMAGES
    try:
        images: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path}: cannot be read ({first_line(error)}); run `dvc repro`"
        ) from None
    return images


def first_line(error: BaseException) -> str:
    """The first line of a library's message: the rest is its own detail."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def closest(name: str, names: Sequence[str]) -> str | None:
    """The name most like `name`, also when only capitals, blanks or underscores differ."""
    folded = {_fold(other): other for other in reversed(names)}
    found = difflib.get_close_matches(_fold(name), folded, n=1)
    return folded[found[0]] if found else None


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum()) or name


def listing(values: Sequence[object], limit: int = 20) -> str:
    """`a, b, c`, cut short with the number of those left out."""
    text = ", ".join(map(str, values[:limit]))
    return text if len(values) <= limit else f"{text} and {len(values) - limit} more"


def require_target(names: Sequence[str], target: str, where: str) -> None:
    """Refuse a table that lacks its target.

    Raises:
        DataError: the message names the columns there are, and the closest one.
    """
    if target not in names:
        near = closest(target, names)
        hint = f"did you mean {near!r}? " if near else ""
        raise DataError(
            f"{where}: there is no target column {target!r}; {hint}set fetch.target to one of its "
            f"{len(names)} columns: {listing(names)}"
        )
