"""Tables worked on batch by batch, so that memory does not grow with their length."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.tables.row_groups import map_groups
from layerline.tables.storage import read_batches, read_parquet, to_frame
from layerline.tables.threads import ahead

A = TypeVar("A")

WHOLE_CELLS = 8_000_000  # a table of no more cells is one batch


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

    def map(self, function: Callable[..., A], *beside: NDArray[Any]) -> Iterator[tuple[int, A]]:
        """(0, `function` of all rows and the arrays beside them)."""
        yield 0, function(self.frame, *beside)


class ParquetRows:
    """A Parquet file, read again each time its rows are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        about = pq.read_metadata(path)
        self.n_rows = about.num_rows
        self.schema: pa.Schema = about.schema.to_arrow_schema()
        self.names: Sequence[str] = list(self.schema.names)

    def gaps_as_stored(self) -> dict[str, int]:
        """How many values of each column are null; NaN, which pandas takes for a gap, is not."""
        groups = pq.read_metadata(self.path)
        found = dict.fromkeys(self.names, 0)
        for number in range(groups.num_row_groups):
            group = groups.row_group(number)
            for place, name in enumerate(self.names):
                statistics = group.column(place).statistics
                found[name] += statistics.null_count if statistics is not None else group.num_rows
        return found

    def __iter__(self) -> Iterator[tuple[int, pd.DataFrame]]:
        start = 0
        for table in ahead(read_batches(self.path)):
            yield start, to_frame(table)
            start += len(table)

    def map(self, function: Callable[..., A], *beside: NDArray[Any]) -> Iterator[tuple[int, A]]:
        """As `map_groups`: (start, `function` of a batch and its part of the arrays), in order."""
        return map_groups(function, self.path, None, beside)


def open_rows(folder: Path, file: str) -> FrameRows | ParquetRows:
    """The rows of data/raw; large tables as a stream.

    Raises:
        SourceError: the file is missing or damaged.
    """
    path = folder / file
    try:
        about = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return FrameRows(read_parquet(path))  # raises with what is wrong
    if about.num_rows * about.num_columns <= WHOLE_CELLS:
        return FrameRows(read_parquet(path))
    return ParquetRows(path)
