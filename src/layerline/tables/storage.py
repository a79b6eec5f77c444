"""What lies in data/raw and data/validated: one reader and one writer for every room.

A table is `table.parquet`; images are `images.npy` (N, H, W) or (N, H, W, C) uint8 beside
`labels.parquet`. Columns have one of five types, in Arrow (int64, double, bool, string,
timestamp[us]) and in pandas (int64, float64, bool, str, datetime64[us]); where values are missing,
whole numbers are float64 and truth values are object columns of True, False and None.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerline.errors import DataError, SourceError
from layerline.tables.encodings import encodings
from layerline.tables.npy_files import map_array
from layerline.tables.threads import Behind
from layerline.text import closest, first_line, listing, plural

TABLE, IMAGES, LABELS, QUARANTINE = (
    "table.parquet",
    "images.npy",
    "labels.parquet",
    "quarantine.parquet",
)
SPLIT_VALUES = ("train", "valid", "test")
ROW_GROUP = 1 << 17  # rows in each row group but the last, and in a batch
GROUP_CELLS = 1 << 23  # a wide table has fewer rows in each
READ_BUFFERS = 1 << 27  # bytes, of all columns together


def group_rows(n_columns: int) -> int:
    """Rows in a row group or batch of a table."""
    return max(1024, min(ROW_GROUP, GROUP_CELLS // max(n_columns, 1)))


class TableWriter:
    """Parquet written table by table in row groups of equal size: memory stays flat.

    Equal content has equal bytes, however it is cut into tables: no index, no metadata of pandas.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        # A null column would be read as objects; a column of nothing is a number column.
        self.schema = pa.schema(
            [(f.name, pa.float64() if pa.types.is_null(f.type) else f.type) for f in schema]
        )
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._group = group_rows(len(self.schema))
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self.n_rows = 0
        self._behind = Behind()

    def write(self, table: pa.Table) -> None:
        """Add rows; the columns are those of the schema, in its order."""
        self._waiting.append(table.replace_schema_metadata(None).cast(self.schema))
        self._n_waiting += table.num_rows
        self.n_rows += table.num_rows
        if self._n_waiting >= self._group:
            self._flush(whole_groups=True)

    def _flush(self, *, whole_groups: bool) -> None:
        rows, size = pa.concat_tables(self._waiting), self._group
        end = rows.num_rows - rows.num_rows % size if whole_groups else rows.num_rows
        self._waiting = [rows.slice(end).combine_chunks()]  # a copy, which frees the rest
        self._n_waiting = rows.num_rows - end
        self._behind.call(self._write_groups, rows, end, whole_groups)

    def _write_groups(self, rows: pa.Table, end: int, is_large: bool) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                self.schema,
                write_page_checksum=True,
                **(encodings(rows) if is_large else {}),
            )
        for start in range(0, max(end, 1), self._group):
            # Where chunks end would show in the pages' bytes.
            group = rows.slice(start, min(self._group, end - start)).combine_chunks()
            self._writer.write_table(group, row_group_size=self._group)

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and (self._n_waiting or not self.n_rows):
                self._waiting = self._waiting or [self.schema.empty_table()]
                self._flush(whole_groups=False)
            self._behind.wait()
        finally:
            self._behind.close()
            if self._writer is not None:
                self._writer.close()


def write_table(path: Path, table: pa.Table | pd.DataFrame) -> None:
    """Write Parquet without index and pandas metadata: equal content has equal bytes."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with TableWriter(path, table.schema) as writer:
        writer.write(table)


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write Parquet piece by piece; return the number of rows."""
    with TableWriter(path, schema) as writer:
        for table in tables:
            writer.write(table)
        return writer.n_rows


def write_images(folder: Path, images: np.ndarray, labels: pd.DataFrame) -> None:
    """Write images (N, H, W[, C]) uint8 and one row of labels for each."""
    np.save(folder / IMAGES, images, allow_pickle=False)
    write_table(folder / LABELS, labels)


def to_frame(table: pa.Table, *, shares: bool = False) -> pd.DataFrame:
    """An Arrow table as the pandas frame that every room works on.

    With `shares`, its columns are those of the table where they can be: not copied, not to be
    written to.
    """
    frame: pd.DataFrame = table.to_pandas(
        ignore_metadata=True, use_threads=False, split_blocks=shares
    )
    return frame


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file that a stage wrote.

    Raises:
        SourceError: the file is missing or damaged.
    """
    with opened(path) as file:
        return to_frame(file.read(use_threads=False))


def read_batches(
    path: Path, columns: Sequence[str] | None = None, n_rows: int | None = None
) -> Iterator[pa.Table]:
    """A Parquet file that a stage wrote, in tables of up to `n_rows` rows: memory stays flat.

    Without `n_rows`, `group_rows` of them.

    Raises:
        SourceError: the file is missing or damaged.
    """
    n_columns = None if columns is None else len(columns)
    with opened(path, n_columns) as file:
        size = n_rows or group_rows(n_columns or file.metadata.num_columns)
        for batch in file.iter_batches(size, columns=columns, use_threads=False):
            yield pa.Table.from_batches([batch])


@contextlib.contextmanager
def opened(path: Path, n_columns: int | None = None) -> Iterator[pq.ParquetFile]:
    """A Parquet file that a stage wrote, of which `n_columns` (None: all) are read.

    Read it without Arrow's own threads: where memory is short these may not start, and Arrow waits
    for them for ever. Rows are worked on in threads of ours anyway.

    Raises:
        SourceError: the file is missing, or damaged, also where that shows in the block.
    """
    try:
        n_columns = n_columns or pq.read_metadata(path).num_columns
        buffer_size = max(1 << 14, min(1 << 20, READ_BUFFERS // max(n_columns, 1)))
        # Else all that is read stays in memory until the file is closed.
        with pq.ParquetFile(
            path, buffer_size=buffer_size, pre_buffer=False, page_checksum_verification=True
        ) as file:
            yield file
    except FileNotFoundError:
        raise SourceError(f"{path}: missing; run the earlier stages first: `dvc repro`") from None
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: damaged ({first_line(error)}); run `dvc repro -f`") from None


def table_path(folder: Path) -> Path:
    """The table of data/raw or data/validated, or the labels of its images."""
    path = folder / TABLE
    return path if path.exists() else folder / LABELS


def read_table(folder: Path) -> pd.DataFrame:
    """The rows of data/raw or data/validated: the table, or the labels of the images."""
    return read_parquet(table_path(folder))


def read_column(folder: Path, name: str, where: str) -> tuple[int, pd.Series]:
    """The number of rows of data/raw, and one column of them: nothing else is read.

    Raises:
        DataError: the column is missing.
        SourceError: the file is missing or damaged.
    """
    path = table_path(folder)
    require_target(pq.read_schema(path).names, name, where)
    values = to_frame(pa.concat_tables(read_batches(path, [name])))[name]
    return len(values), values


def read_images(folder: Path) -> np.ndarray:
    """(N, H, W) or (N, H, W, C) uint8, mapped from disk, not loaded.

    Raises:
        SourceError: the file is missing or damaged.
    """
    return map_array(folder / IMAGES, "run `dvc repro`")


def require_target(names: Sequence[str], target: str | Sequence[str], where: str) -> None:
    """Refuse a table that lacks its target, or one of several.

    Raises:
        DataError: the message names the columns there are, and the closest one.
    """
    for name in (target,) if isinstance(target, str) else target:
        if name in names:
            continue
        near = closest(name, names)
        hint = f"did you mean {near!r}? " if near else ""
        raise DataError(
            f"{where}: there is no target column {name!r}; {hint}set fetch.target to one of its "
            f"{plural(len(names), 'column')}: {listing(names)}"
        )
