"""Parquet files: their schema, and their rows in batches that never unfold beyond the limits."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from layerline.sources.reading.decoded import decoded, longest_word
from layerline.sources.reading.limits import Meter, TooLargeError
from layerline.sources.reading.parquet_footer import Chunk, read_chunks
from layerline.sources.reading.parquet_pages import declared_bytes

BATCH_ROWS = 1 << 16
BATCH_CELLS = 1 << 23  # fewer rows of a wide table
# Without a buffer for each column, or with pre_buffer, everything read stays in memory.
_BUFFER = 1 << 18


def parquet_schema(path: Path) -> pa.Schema:
    """The names and types of the columns."""
    with _open(path) as file:
        return file.schema_arrow


def read_parquet_batches(
    path: Path, columns: Sequence[str], meter: Meter, n_rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    """Yield the rows of some columns in order, without dictionaries.

    Raises:
        TooLargeError: beyond a limit; before it is decoded.
        ValueError: a page is malformed.
    """
    with _open(path) as file:
        metadata = file.metadata
        meter.check_columns(metadata.num_columns)
        meter.expect(metadata.num_rows * len(columns), 0)
    chunks = read_chunks(path)
    if meter.limits.decoded_bytes is not None and meter.limits.seconds is not None:
        _check_pages(path, chunks, columns, meter)
    texts = _dictionaries(chunks, columns)
    n_rows = min(n_rows, max(BATCH_CELLS // max(len(columns), 1), 1 << 9))
    if texts and meter.limits.seconds is None:  # as dictionaries they take longer
        texts = _with_long_words(path, texts, meter.limits.batch_bytes // n_rows)
    with _open(path, texts) as file:
        for batch in file.iter_batches(n_rows, columns=list(columns)):
            table = pa.Table.from_batches([batch])
            table.validate(full=True)
            yield from decoded(table, meter)


def _open(path: Path, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    # ParquetFile, not read_table: that one takes `year=2024` in a folder's name for a column.
    return pq.ParquetFile(
        path,
        buffer_size=_BUFFER,
        pre_buffer=False,
        page_checksum_verification=True,
        read_dictionary=list(dictionaries),
    )


def _dictionaries(chunks: Sequence[Chunk], columns: Sequence[str]) -> list[str]:
    """The text columns with a dictionary: they are read as one, and decoded by measure."""
    with_dictionary = (chunk for chunk in chunks if chunk.is_text and chunk.dictionary_page)
    found = dict.fromkeys(chunk.column for chunk in with_dictionary)
    return [name for name in found if name in columns]


def _with_long_words(path: Path, texts: Sequence[str], n_bytes: int) -> list[str]:
    """The columns whose dictionaries have a word of more bytes: the others unfold to little."""
    found = set()
    with _open(path, texts) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(1, row_groups=[group], columns=list(texts)):
                for name, values in zip(batch.schema.names, batch.columns, strict=True):
                    if longest_word(values) > n_bytes:
                        found.add(name)
                break
    return [name for name in texts if name in found]


def _check_pages(path: Path, chunks: Sequence[Chunk], columns: Sequence[str], meter: Meter) -> None:
    """Refuse pages that declare too much, and an encoding whose size no header declares."""
    for chunk in chunks:
        if chunk.column in columns and chunk.is_delta:
            raise TooLargeError(
                f"{path}: column {chunk.column!r} is encoded as DELTA_BYTE_ARRAY, whose "
                "size is unknown before it is decoded; write it with a dictionary or plain"
            )
    with path.open("rb") as file:
        meter.expect(0, declared_bytes(file, chunks, columns, meter))
