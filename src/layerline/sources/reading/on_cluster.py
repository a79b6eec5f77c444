"""Files that the workers of a cluster open, look at and read, one file a task.

What they find is used in the order of the files, so that every byte and every message is that of
one machine. Rows come back through files, each with one writer and one reader, which are removed
once they were read.
"""

import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa

from layerline.columns.survey import ColumnType
from layerline.errors import SourceError
from layerline.sources.reading.file_surveys import Part
from layerline.sources.reading.typed_rows import Found, TypedRows, schema_of
from layerline.tables import cluster
from layerline.tables.cluster import Each

A = TypeVar("A", bound=tuple[Path, object])
B = TypeVar("B")


class Crew(NamedTuple):
    """Workers, and where the rows that they have read wait.

    Attributes:
        each: calls a function with each item, on a worker.
        beside: a path of the project; a temporary folder beside it has the rows.
    """

    each: Each
    beside: Path

    def open(self, function: Callable[[A], B], items: Sequence[A]) -> list[B]:
        """`function` of each item, which begins with the path of a file.

        Raises:
            SourceError: a worker does not see a file that is here.
        """
        opened = []
        with closing(self.each(partial(_open_if_seen, function), items)) as found:
            for item, one in zip(items, found, strict=True):
                if one is None and _is_seen(item[0]):
                    raise SourceError(
                        f"{item[0]}: a worker of the cluster cannot read this file; files must lie "
                        "in a file system that all machines have at the same place"
                    )
                opened.append(function(item) if one is None else one)
        return opened

    def rows(
        self, parts: Sequence[Part], kinds: Mapping[str, ColumnType]
    ) -> Generator["_WrittenRows", None, None]:
        """The rows of each file, in order; each is removed when the next one is asked for."""
        stem = self.beside.name.removesuffix(".tmp")
        with tempfile.TemporaryDirectory(  # named as what a killed stage leaves is
            dir=self.beside.parent, prefix=f"{stem}.", suffix=".tmp", ignore_cleanup_errors=True
        ) as folder:
            write = partial(_write_rows, Path(folder).absolute(), kinds)
            with closing(self.each(write, parts)) as written:
                for one in written:
                    yield one
                    one.path.unlink()


def find_crew(beside: Path) -> Crew | None:
    """The workers of the cluster that is named; None: there is none."""
    each = cluster.workers()
    return None if each is None else Crew(each, beside)


def _is_seen(path: Path) -> bool:
    return os.access(path, os.R_OK)


def _open_if_seen(function: Callable[[A], B], item: A) -> B | None:
    return function(item) if _is_seen(item[0]) else None


class _WrittenRows(NamedTuple):
    """The rows of one file in an Arrow file of their own, and what was found in it."""

    path: Path
    n_bytes: int
    found: Found

    def tables(self) -> Iterator[pa.Table]:
        """The rows, cut as they were read.

        Raises:
            SourceError: not all that the worker wrote is here.
        """
        n_bytes = self.path.stat().st_size if self.path.exists() else 0
        if n_bytes != self.n_bytes:
            raise SourceError(
                f"{self.path}: a worker wrote {self.n_bytes} bytes, of which {n_bytes} are here; "
                "the file system that all machines share loses files"
            )
        # Not mapped: a network disk may take a mapped file away.
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(number)])


def _write_rows(folder: Path, kinds: Mapping[str, ColumnType], part: Part) -> _WrittenRows:
    """Write the rows of a file; under a name of its own, as a lost worker may still write."""
    rows = TypedRows(part, kinds)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".arrow")
    with open(handle, "wb") as file, pa.ipc.new_file(file, schema_of(kinds)) as writer:  # noqa: PTH123
        for table in rows.tables():
            writer.write_table(table.combine_chunks())  # one batch, so that cuts are the same
    return _WrittenRows(Path(name), Path(name).stat().st_size, rows.found)
