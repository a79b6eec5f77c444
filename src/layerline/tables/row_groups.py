"""The row groups of a table that a stage wrote, worked on at once, their results used in order.

Threads of this process work on them, or the workers of a Dask cluster (see cluster.py).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.tables.cluster import on_workers, scheduler_address
from layerline.tables.storage import opened, to_frame
from layerline.tables.threads import in_order

A = TypeVar("A")


class RowGroup(NamedTuple):
    """Some rows of a table: where they are, and which of its columns are wanted (None: all)."""

    path: Path
    number: int
    start: int  # position of the first row in the table
    n_rows: int
    columns: Sequence[str] | None = None

    def read(self) -> pd.DataFrame:
        """Its rows.

        Raises:
            SourceError: the file is missing or damaged.
        """
        n_columns = None if self.columns is None else len(self.columns)
        with opened(self.path, n_columns) as file:
            table = file.read_row_group(self.number, columns=self.columns, use_threads=False)
            return to_frame(table, shares=True)


def row_groups(path: Path, columns: Sequence[str] | None = None) -> Iterator[RowGroup]:
    """The table's row groups, in order."""
    about, start = pq.read_metadata(path), 0
    for number in range(about.num_row_groups):
        n_rows = about.row_group(number).num_rows
        yield RowGroup(path, number, start, n_rows, columns)
        start += n_rows


def map_groups(
    function: Callable[..., A],
    path: Path,
    columns: Sequence[str] | None = None,
    beside: Sequence[NDArray[Any]] = (),
) -> Iterator[tuple[int, A]]:
    """(start, `function(rows, *parts)`) of each row group, in order.

    Args:
        function: depends on its arguments alone, and can be pickled where there is a cluster.
        path: the table; on a cluster each machine must have it at this place.
        columns: those that are read; None: all.
        beside: arrays with an entry a row, of which each call gets its rows' part.

    Raises:
        SourceError: the file is missing or damaged, or a worker does not see it.
    """
    items = (
        (group, [array[group.start : group.start + group.n_rows] for array in beside])
        for group in row_groups(path.absolute(), columns)
    )
    work = _Work(function)
    address = scheduler_address()
    yield from in_order(work, items) if address is None else on_workers(address, work, items)


class _Work:
    """Reads a row group and calls the function; a class, so that it can be pickled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, item: tuple[RowGroup, list[NDArray[Any]]]) -> tuple[int, Any]:
        group, parts = item
        return group.start, self._function(group.read(), *parts)
