"""The sizes that the pages of a Parquet file declare: what decoding them would allocate.

The footer's sizes may be false, and Arrow allocates what the header of each page says. So the page
headers are read here, without decoding a page.

Source: the Thrift compact protocol, and PageHeader of parquet.thrift.
"""

from collections.abc import Collection, Iterator
from typing import IO, NamedTuple

import pyarrow.parquet as pq

from layerline.sources.reading.limits import Meter

_WINDOW = 1 << 13  # bytes of a page header; statistics may make it longer
_LONGEST_HEADER = 1 << 22
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(
    13
)
_FIXED = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}  # bytes
_DEEPEST = 16


class _ShortError(ValueError):
    """The window ends before the header does."""


class PageHeader(NamedTuple):
    """What a page declares, in bytes."""

    header: int
    uncompressed: int
    compressed: int


def declared_bytes(
    file: IO[bytes], metadata: pq.FileMetaData, columns: Collection[str], meter: Meter
) -> int:
    """The bytes that all pages of these columns declare when they are uncompressed.

    Raises:
        ValueError: a header is malformed.
        TooLargeError: there are so many pages that they take too long.
    """
    total = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for place in range(row_group.num_columns):
            chunk = row_group.column(place)
            if not chunk.num_values or chunk.path_in_schema not in columns:
                continue
            starts = [chunk.data_page_offset]
            if chunk.dictionary_page_offset:
                starts.append(chunk.dictionary_page_offset)
            start = min(starts)
            for page in _pages(file, start, start + chunk.total_compressed_size):
                total += page.uncompressed
                meter.check_time()
    return total


def _pages(file: IO[bytes], position: int, end: int) -> Iterator[PageHeader]:
    while position < end:
        page = _read_header(file, position)
        yield page
        position += page.header + page.compressed


def _read_header(file: IO[bytes], position: int) -> PageHeader:
    size = _WINDOW
    while size <= _LONGEST_HEADER:
        file.seek(position)
        window = file.read(size)
        try:
            return parse_page_header(window)
        except _ShortError:
            if len(window) < size:
                break
            size *= 8
    raise ValueError("a page header is truncated")


def parse_page_header(data: bytes) -> PageHeader:
    """Read a PageHeader at the start of the bytes.

    Raises:
        ValueError: it is malformed.
    """
    reader = _Compact(data)
    sizes: dict[int, int] = {}
    for field, kind in reader.fields():
        if field in (2, 3) and kind == _I32:
            sizes[field] = reader.zigzag()
        else:
            reader.skip(kind)
    if set(sizes) != {2, 3} or min(sizes.values()) < 0:
        raise ValueError("a page header has no sizes")
    return PageHeader(reader.position, sizes[2], sizes[3])


class _Compact:
    """Values of the Thrift compact protocol, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """(id, type) of each field of a struct; the caller reads or skips its value."""
        field = 0
        while True:
            byte = self._byte()
            kind = byte & 15
            if kind == _STOP:
                return
            if kind > _STRUCT:
                raise ValueError("a page header has an unknown type")
            field = field + (byte >> 4) if byte >> 4 else self.zigzag()
            yield field, kind

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a value."""
        if depth > _DEEPEST:
            raise ValueError("a page header is too deep")
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind in _FIXED:
            self._pass(_FIXED[kind])
        elif kind == _BINARY:
            self._pass(self._varint())
        elif kind in (_LIST, _SET):
            self._skip_list(depth)
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        else:
            raise ValueError("a page header has an unknown type")

    def zigzag(self) -> int:
        """A signed integer."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip_list(self, depth: int) -> None:
        byte = self._byte()
        length, kind = byte >> 4, byte & 15
        if length == 15:
            length = self._varint()
        if length > len(self._data):
            raise _ShortError
        for _ in range(length):
            if kind in (_TRUE, _FALSE):
                self._pass(1)
            else:
                self.skip(kind, depth + 1)

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise _ShortError
        self.position += 1
        return self._data[self.position - 1]

    def _pass(self, n_bytes: int) -> None:
        self.position += n_bytes
        if self.position > len(self._data):
            raise _ShortError

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a page header has an endless number")
