"""A table written in chunks, by its suffix; a new format is a function and a line in WRITERS."""

import contextlib
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from layerline.model.file_suffix import pick_by_suffix
from layerline.sources.reading.reader import PARQUET

Write = Callable[[pa.Table], None]
Writer = Callable[[Path, pa.Schema], contextlib.AbstractContextManager[Write]]


def open_writer(
    path: Path, name: Path, schema: pa.Schema
) -> contextlib.AbstractContextManager[Write]:
    """Open `path` to be written chunk by chunk, in the format of `name`'s suffix."""
    return pick_by_suffix(WRITERS, name, "OUTPUT")(path, schema)


def check_output(name: Path) -> None:
    """Refuse an unknown suffix before any work.

    Raises:
        ParamsError: the suffix is unknown.
    """
    pick_by_suffix(WRITERS, name, "OUTPUT")


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
        header = io.StringIO()  # Arrow quotes every name, whatever the options
        csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(schema.names)
        file.write(header.getvalue().encode())
        with pacsv.CSVWriter(file, schema, write_options=options) as writer:

            def write(table: pa.Table) -> None:
                for batch in table.to_batches():
                    if batch.num_rows:  # Arrow repeats the previous batch for an empty one
                        writer.write_batch(batch)

            yield write


WRITERS: Mapping[str, Writer] = {
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    **dict.fromkeys(PARQUET, _write_parquet),
}
