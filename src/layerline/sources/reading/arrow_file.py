"""Arrow IPC files, Feather 2 among them, and streams: their schema and their rows in batches."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from layerline.sources.reading.decoded import decoded
from layerline.sources.reading.limits import Meter
from layerline.sources.reading.parquet_file import BATCH_ROWS

_MAGIC = b"ARROW1"


def arrow_schema(path: Path) -> pa.Schema:
    """The names and types of the columns."""
    with _open(path) as reader:
        return reader.schema


def read_arrow_batches(path: Path, columns: Sequence[str], meter: Meter) -> Iterator[pa.Table]:
    """Yield the rows of some columns in order, without dictionaries and views.

    Raises:
        TooLargeError: beyond a limit.
    """
    with _open(path) as reader:
        meter.check_columns(len(reader.schema))
        in_file = isinstance(reader, pa.ipc.RecordBatchFileReader)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if in_file else reader
        for batch in batches:
            table = pa.Table.from_batches([batch]).select(list(columns))
            for start in range(0, table.num_rows, BATCH_ROWS):
                rows = table.slice(start, BATCH_ROWS)
                rows.validate(full=True)
                yield from decoded(rows, meter)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[pa.RecordBatchReader | pa.ipc.RecordBatchFileReader]:
    """The file format, which Feather 2 is too, or the streaming one."""
    with pa.OSFile(str(path)) as file:
        is_file = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file) as reader:
            yield reader
