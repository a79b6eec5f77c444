"""Rows of a file in pieces, and a file written in pieces; by suffix.

To add a format, add a function and a line to READERS or WRITERS.
"""

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from layerline.columns.survey import ColumnType, FieldSurvey, convert
from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.model.bundle import Rows
from layerline.sources.reading.batches import Stream
from layerline.sources.reading.delimited import USUAL, Dialect, open_fields
from layerline.sources.reading.reader import DELIMITED, PARQUET
from layerline.tables.storage import to_frame
from layerline.text import closest, first_line, listing

T = TypeVar("T")

IMAGES = (".npy",)
_BATCH = 8192  # rows a network predicts at once: chunks are a multiple, and equal it bit for bit
_MOST_CELLS = 1 << 21
_BUFFER = 1 << 20


@dataclass(frozen=True)
class HowToRead:
    """How a file is read.

    Attributes:
        n_rows: rows in a chunk; fewer of a wide table.
        as_text: the fields of a CSV stay exactly as they are written; else they get their types.
        dialect: how a CSV is written.
        keep: the columns that go to the output; None keeps all.
    """

    n_rows: int
    as_text: bool
    dialect: Dialect = USUAL
    keep: tuple[str, ...] | None = None

    def rows_of(self, n_columns: int) -> int:
        """Rows in a chunk of so many columns."""
        most = max(_BATCH, _MOST_CELLS // max(n_columns, 1) // _BATCH * _BATCH)
        return min(self.n_rows, most)


class Chunk(NamedTuple):
    """Some rows: what a model reads, and the fields that go to the output; made when asked for."""

    n_rows: int
    rows: Callable[[], Rows]
    fields: Callable[[], pa.Table]


Write = Callable[[pa.Table], None]
Reader = Callable[[Path, HowToRead], Iterator[Chunk]]
Writer = Callable[[Path, pa.Schema], contextlib.AbstractContextManager[Write]]


def read_chunks(path: Path, how: HowToRead) -> Iterator[Chunk]:
    """Yield the rows of a file in order, at least one chunk, which may be empty.

    Memory stays flat: a CSV is read twice where its columns need types, never held.

    Raises:
        ParamsError: the suffix is not known, the dialect cannot be, or a kept column is not there.
        SourceError: the file is not there, or is damaged.
        DataError: it is no well-formed table.
    """
    reader = _pick(READERS, path, "INPUT")
    try:
        yield from reader(path, how)
    except DataError as error:
        raise DataError(_as_options(str(error))) from None
    except ParamsError as error:
        problems = [Problem(_as_options(where), message) for where, message in error.problems]
        raise ParamsError(problems, "layerline predict") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read ({first_line(error)})") from None


def _as_options(message: str) -> str:
    return message.replace("fetch.options.", "--")


def check_input(path: Path) -> None:
    """Refuse a file that is not there, or whose suffix is not known, before any work.

    Raises:
        ParamsError, SourceError: as `read_chunks` does.
    """
    _pick(READERS, path, "INPUT")
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file")


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


def _read_delimited(path: Path, how: HowToRead) -> Iterator[Chunk]:
    stream = open_fields(path, how.dialect)
    names = stream.names or ()
    keep = _kept(path, names, how.keep)
    kinds = {} if how.as_text else _types(stream, keep)
    schema = pa.schema([(name, pa.string()) for name in names])
    batches = (
        pa.table({name: column.values for name, column in batch.columns.items()}, schema=schema)
        for batch in stream.batches(None)
    )
    for text in _cut(batches, schema, how.rows_of(len(names))):
        yield _chunk(text, keep, kinds)


def _types(stream: Stream, names: Sequence[str]) -> dict[str, ColumnType]:
    """Each column's type, from all of its fields."""
    surveys = {name: FieldSurvey() for name in names}
    for batch in stream.batches(names):
        for name, survey in surveys.items():
            survey.add(batch.columns[name].values)
    return {name: survey.result for name, survey in surveys.items()}


def _read_parquet(path: Path, how: HowToRead) -> Iterator[Chunk]:
    with pq.ParquetFile(
        path, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
    ) as file:
        schema = file.schema_arrow.remove_metadata()
        keep = _kept(path, schema.names, how.keep)
        n_rows = how.rows_of(len(schema))
        batches = (pa.Table.from_batches([batch]) for batch in file.iter_batches(n_rows))
        for table in _cut(batches, schema, n_rows):
            yield _chunk(table, keep, {})


def _chunk(table: pa.Table, keep: Sequence[str], kinds: Mapping[str, ColumnType]) -> Chunk:
    def fields() -> pa.Table:
        columns = [
            convert(table[name], kinds[name]).values if name in kinds else table[name]
            for name in keep
        ]
        return pa.table(columns, names=list(keep))

    return Chunk(table.num_rows, lambda: to_frame(table), fields)


def _cut(tables: Iterable[pa.Table], schema: pa.Schema, n_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `n_rows`, but the last; at least one."""
    waiting: list[pa.Table] = []
    n_waiting, is_first = 0, True
    for table in tables:
        waiting.append(table.replace_schema_metadata(None))
        n_waiting += table.num_rows
        while n_waiting >= n_rows:
            rows = pa.concat_tables(waiting)
            yield rows.slice(0, n_rows)
            waiting, n_waiting, is_first = [rows.slice(n_rows)], n_waiting - n_rows, False
    if n_waiting or is_first:
        yield pa.concat_tables(waiting or [schema.empty_table()])


def _kept(path: Path, names: Sequence[str], keep: tuple[str, ...] | None) -> Sequence[str]:
    if keep is None:
        return names
    for name in keep:
        if name not in names:
            near = closest(name, names)
            hint = f"did you mean {near!r}? " if near else ""
            message = f"{path} has no column {name!r}; {hint}it has: {listing(names)}"
            raise ParamsError([Problem("--keep", message)], "layerline predict")
    return list(dict.fromkeys(keep))


def _read_images(path: Path, how: HowToRead) -> Iterator[Chunk]:
    _kept(path, (), how.keep)
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    n_rows = how.rows_of(int(np.prod(images.shape[1:])))
    for start in range(0, max(len(images), 1), n_rows):
        yield _images(images[start : start + n_rows])


def _images(images: np.ndarray) -> Chunk:
    return Chunk(len(images), lambda: np.asarray(images), lambda: pa.table({}))


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

            def write(table: pa.Table) -> None:
                for batch in table.to_batches():
                    if batch.num_rows:  # for an empty one Arrow writes the one before again
                        writer.write_batch(batch)

            yield write


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
