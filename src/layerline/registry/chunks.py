"""Rows of a file in pieces, and a file written in pieces; by suffix.

To add a format, add a function and a line to READERS or WRITERS.
"""

import contextlib
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from layerline.data.reading.delimited import USUAL, Dialect, read_fields
from layerline.data.reading.files import DELIMITED, PARQUET
from layerline.data.reading.parsing import parse_column
from layerline.data.tables import first_line, to_frame
from layerline.errors import ParamsError, Problem, SourceError
from layerline.registry.bundle import Rows

T = TypeVar("T")

IMAGES = (".npy",)


@dataclass(frozen=True)
class Chunk:
    """Some rows: what a model reads, and the fields that go to the output unchanged."""

    rows: Rows
    fields: pa.Table


Write = Callable[[pa.Table], None]
Reader = Callable[[Path, int, bool, Dialect], Iterator[Chunk]]
Writer = Callable[[Path, pa.Schema], contextlib.AbstractContextManager[Write]]


def read_chunks(
    path: Path, n_rows: int, as_text: bool, dialect: Dialect = USUAL
) -> Iterator[Chunk]:
    """Yield the rows of a file in order, at least one chunk, which may be empty.

    Args:
        path: CSV, TSV, Parquet or npy.
        n_rows: how many rows a chunk has at most.
        dialect: how a CSV is written.
        as_text: keep the fields of a CSV exactly as they are written; else they get their types.

    Raises:
        ParamsError: the suffix is not known.
        SourceError: the file is not there, or is damaged.
        DataError: it is no well-formed table.
    """
    reader = _pick(READERS, path, "INPUT")
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file")
    try:
        yield from reader(path, n_rows, as_text, dialect)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read ({first_line(error)})") from None


def open_writer(
    path: Path, name: Path, schema: pa.Schema
) -> contextlib.AbstractContextManager[Write]:
    """Open `path` to be written chunk by chunk, in the format of `name`'s suffix."""
    return _pick(WRITERS, name, "OUTPUT")(path, schema)


def check_output(name: Path) -> None:
    """Refuse a suffix that is not known, before any work.

    Raises:
        ParamsError: it is not known.
    """
    _pick(WRITERS, name, "OUTPUT")


def _pick(table: Mapping[str, T], path: Path, where: str) -> T:
    found = table.get(path.suffix.lower())
    if found is None:
        known = ", ".join(table)
        problem = Problem(where, f"{path} is of no known kind; files end in one of {known}")
        raise ParamsError([problem], "layerline predict")
    return found


def _read_delimited(path: Path, n_rows: int, as_text: bool, dialect: Dialect) -> Iterator[Chunk]:
    text = read_fields(path, dialect).table
    typed = text
    if not as_text:
        columns = [parse_column(column).values for column in text.columns]
        typed = pa.table(columns, names=text.column_names)
    for start in range(0, max(text.num_rows, 1), n_rows):
        rows = to_frame(text.slice(start, n_rows))
        yield Chunk(rows, typed.slice(start, n_rows))


def _read_parquet(path: Path, n_rows: int, as_text: bool, dialect: Dialect) -> Iterator[Chunk]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        if not file.metadata.num_rows:
            yield _chunk_of(file.read())
        for batch in file.iter_batches(n_rows):
            yield _chunk_of(pa.Table.from_batches([batch]))


def _chunk_of(table: pa.Table) -> Chunk:
    return Chunk(to_frame(table), table)


def _read_images(path: Path, n_rows: int, as_text: bool, dialect: Dialect) -> Iterator[Chunk]:
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    for start in range(0, max(len(images), 1), n_rows):
        yield Chunk(np.asarray(images[start : start + n_rows]), pa.table({}))


@contextlib.contextmanager
def _write_parquet(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with pq.ParquetWriter(path, schema) as writer:
        yield writer.write_table


@contextlib.contextmanager
def _write_csv(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with _delimited(path, schema, ",") as write:
        yield write


@contextlib.contextmanager
def _write_tsv(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with _delimited(path, schema, "\t") as write:
        yield write


@contextlib.contextmanager
def _delimited(path: Path, schema: pa.Schema, delimiter: str) -> Iterator[Write]:
    options = pacsv.WriteOptions(include_header=False, delimiter=delimiter)
    with path.open("wb") as file:
        header = io.StringIO()  # Arrow puts every name in quotes, whatever it is told
        csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(schema.names)
        file.write(header.getvalue().encode())
        with pacsv.CSVWriter(file, schema, write_options=options) as writer:
            yield writer.write_table


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(DELIMITED, _read_delimited),
    **dict.fromkeys(PARQUET, _read_parquet),
    **dict.fromkeys(IMAGES, _read_images),
}
WRITERS: Mapping[str, Writer] = {
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    **dict.fromkeys(PARQUET, _write_parquet),
}
