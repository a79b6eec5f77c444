"""Tables read and written batch by batch, so that memory does not grow with their length."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerline.data.tables import first_line, read_table, to_frame
from layerline.errors import SourceError

WHOLE_CELLS = 8_000_000  # a table of no more cells is one batch
BATCH_CELLS = 16_000_000
ROW_GROUP = 1 << 17  # as write_table


def batch_rows(n_columns: int) -> int:
    """Rows of a batch, and of a row group: fewer in a wide table."""
    return max(1024, min(ROW_GROUP, BATCH_CELLS // max(n_columns, 1)))


class FrameRows:
    """A frame as one batch."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.reset_index(drop=True)

    @property
    def n_rows(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> Sequence[str]:
        return list(map(str, self.frame.columns))

    def __iter__(self) -> Iterator[tuple[int, pd.DataFrame]]:
        yield 0, self.frame


class ParquetRows:
    """A Parquet file, read anew each time its rows are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        about = pq.read_metadata(path)
        self.n_rows = about.num_rows
        self.schema: pa.Schema = about.schema.to_arrow_schema()
        self.names: Sequence[str] = list(self.schema.names)

    def __iter__(self) -> Iterator[tuple[int, pd.DataFrame]]:
        start = 0
        try:
            # A buffer for each column: without it a whole row group would be read ahead.
            with pq.ParquetFile(
                self._path, pre_buffer=False, buffer_size=1 << 16, page_checksum_verification=True
            ) as file:
                for batch in file.iter_batches(batch_rows(len(self.names))):
                    yield start, to_frame(pa.Table.from_batches([batch]))
                    start += len(batch)
        except (pa.ArrowException, OSError) as error:
            message = f"{self._path}: damaged ({first_line(error)}); run `dvc repro -f`"
            raise SourceError(message) from None


def open_rows(folder: Path, file: str) -> FrameRows | ParquetRows:
    """The rows of data/raw; large tables as a stream.

    Raises:
        SourceError: the file is missing or damaged.
    """
    path = folder / file
    try:
        about = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return FrameRows(read_table(folder))  # says what is wrong
    if about.num_rows * about.num_columns <= WHOLE_CELLS:
        return FrameRows(read_table(folder))
    return ParquetRows(path)


class TableWriter:
    """Writes what `write_table` would write of all batches together, row group by row group."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._group = batch_rows(len(schema.names))
        self._file = pq.ParquetWriter(path, schema, write_page_checksum=True)

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._write(self._n_waiting)
        self._file.close()

    def add(self, frame: pd.DataFrame) -> None:
        """Add rows; they are written when a row group is full."""
        table = pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)
        self._waiting.append(table.replace_schema_metadata(None))
        self._n_waiting += len(frame)
        while self._n_waiting >= self._group:
            self._write(self._group)

    def _write(self, n_rows: int) -> None:
        table = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        if n_rows:
            # Pages must not depend on where batches ended.
            group = table.slice(0, n_rows).combine_chunks()
            self._file.write_table(group, row_group_size=self._group)
        self._waiting = [table.slice(n_rows)] if len(table) > n_rows else []
        self._n_waiting -= n_rows
