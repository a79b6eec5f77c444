"""A chunk of rows, and how a file is read in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from layerline.errors import ParamsError, Problem
from layerline.model.bundle import Rows
from layerline.model.pictures import PictureForm
from layerline.sources.reading.dialect import USUAL, Dialect
from layerline.text import closest, listing

_BATCH = 8192  # rows in a network's batch; chunks are a multiple, so that results are bit-equal
_MOST_CELLS = 1 << 21


def print_nothing(note: str) -> None:
    """Drop a note."""


@dataclass(frozen=True)
class ReadOptions:
    """How a file is read.

    Attributes:
        n_rows: rows in a chunk; fewer of a wide table.
        as_text: keep the fields of a CSV exactly as written; otherwise infer their types.
        dialect: how a CSV is written.
        keep: the columns that go to the output; None keeps all.
        report: is called with each note for the user.
        pictures: what picture files are brought to; None where the model takes none.
        step: of a Parquet file each row whose place is a multiple of it.
    """

    n_rows: int
    as_text: bool
    dialect: Dialect = USUAL
    keep: tuple[str, ...] | None = None
    report: Callable[[str], None] = print_nothing
    pictures: PictureForm | None = None
    step: int = 1

    def rows_of(self, n_columns: int) -> int:
        """Rows in a chunk of so many columns."""
        most = max(_BATCH, _MOST_CELLS // max(n_columns, 1) // _BATCH * _BATCH)
        return min(self.n_rows, most)


class Chunk(NamedTuple):
    """Some rows: what a model reads, and the fields that go to the output; computed on demand.

    `unread` has the reason of each row, by position, that could not be read.
    """

    n_rows: int
    rows: Callable[[], Rows]
    fields: Callable[[], pa.Table]
    unread: Callable[[], Mapping[int, str]] = dict


def kept_columns(path: Path, names: Sequence[str], keep: tuple[str, ...] | None) -> Sequence[str]:
    """The columns that go to the output, by default all.

    Raises:
        ParamsError: the file has no such column.
    """
    if keep is None:
        return names
    for name in keep:
        if name not in names:
            near = closest(name, names)
            hint = f"did you mean {near!r}? " if near else ""
            message = f"{path} has no column {name!r}; {hint}it has: {listing(names)}"
            raise ParamsError([Problem("--keep", message)], "layerline predict")
    return list(dict.fromkeys(keep))
