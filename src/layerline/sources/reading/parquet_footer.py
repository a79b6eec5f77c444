"""What a Parquet file's footer has of each column of each row group.

Arrow's own `row_group(i).column(j)` ends the process, with no exception, where their metadata are
damaged; its readers raise.

Source: FileMetaData, RowGroup, ColumnChunk and ColumnMetaData of parquet.thrift.
"""

import struct
from pathlib import Path
from typing import Any, NamedTuple

from layerline.sources.reading.thrift import BINARY, I32, I64, LIST, STRUCT, Compact, ShortError

_END = struct.Struct("<I4s")  # the footer's length, and a magic word
_BYTE_ARRAY = 6
_DELTA_BYTE_ARRAY = 7


class Chunk(NamedTuple):
    """One column of one row group; offsets and sizes in bytes."""

    column: str
    is_text: bool  # of any length
    is_delta: bool  # DELTA_BYTE_ARRAY, whose size no header declares
    n_values: int
    n_bytes: int
    data_page: int
    dictionary_page: int | None


def read_chunks(path: Path) -> list[Chunk]:
    """Every column chunk of the file.

    Raises:
        ValueError: the footer is malformed.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size))
        try:
            length, _ = _END.unpack(file.read())
            file.seek(size - _END.size - length)
        except (struct.error, OSError):
            raise ValueError("the footer is truncated") from None
        reader = Compact(file.read(length))
    wanted = {4: (LIST, lambda: reader.list_of(STRUCT, lambda: _group(reader)))}
    try:
        groups = _fields(reader, wanted).get(4, [])
    except ShortError:
        raise ValueError("the footer is truncated") from None
    return [chunk for group in groups for chunk in group]


def _group(reader: Compact) -> list[Chunk]:
    found = _fields(reader, {1: (LIST, lambda: reader.list_of(STRUCT, lambda: _chunk(reader)))})
    chunks: list[Chunk] = found.get(1, [])
    return chunks


def _chunk(reader: Compact) -> Chunk:
    found = _fields(reader, {3: (STRUCT, lambda: _about(reader))})
    if 3 not in found:
        raise ValueError("the footer has no metadata of a column")
    chunk: Chunk = found[3]
    return chunk


def _about(reader: Compact) -> Chunk:
    numbers = dict.fromkeys((5, 7, 9, 11), (I64, reader.zigzag))
    found = _fields(
        reader,
        {
            1: (I32, reader.zigzag),
            2: (LIST, lambda: reader.list_of(I32, reader.zigzag)),
            3: (LIST, lambda: reader.list_of(BINARY, reader.text)),
            **numbers,
        },
    )
    try:
        return Chunk(
            column=".".join(found[3]),
            is_text=found[1] == _BYTE_ARRAY,
            is_delta=_DELTA_BYTE_ARRAY in found[2],
            n_values=found[5],
            n_bytes=found[7],
            data_page=found[9],
            dictionary_page=found.get(11),
        )
    except KeyError as error:
        raise ValueError(f"the footer has no field {error} of a column") from None


def _fields(reader: Compact, wanted: dict[int, tuple[int, Any]]) -> dict[int, Any]:
    """The wanted fields of a struct that have the wanted type; the others are passed over."""
    found = {}
    for field, kind in reader.fields():
        expected, read = wanted.get(field, (None, None))
        if kind == expected and read is not None:
            found[field] = read()
        else:
            reader.skip(kind)
    return found
