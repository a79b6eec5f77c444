"""The sizes that the pages of a Parquet file declare: what decoding them would allocate.

The footer's sizes may be false, and Arrow allocates what the header of each page says. So the page
headers are read here, without decoding a page.

Source: PageHeader of parquet.thrift.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import IO, NamedTuple

from layerline.sources.reading.limits import Meter
from layerline.sources.reading.parquet_footer import Chunk
from layerline.sources.reading.thrift import I32, Compact, ShortError

_WINDOW = 1 << 13  # bytes of a page header; statistics may make it longer
_LONGEST_HEADER = 1 << 22


class PageHeader(NamedTuple):
    """What a page declares, in bytes."""

    header: int
    uncompressed: int
    compressed: int


def declared_bytes(
    file: IO[bytes], chunks: Sequence[Chunk], columns: Collection[str], meter: Meter
) -> int:
    """The bytes that all pages of these columns declare when they are uncompressed.

    Raises:
        ValueError: a header is malformed.
        TooLargeError: there are so many pages that they take too long.
    """
    total = 0
    for chunk in chunks:
        if not chunk.n_values or chunk.column not in columns:
            continue
        start = min(chunk.data_page, chunk.dictionary_page or chunk.data_page)
        for page in _pages(file, start, start + chunk.n_bytes):
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
        except ShortError:
            if len(window) < size:
                break
            size *= 8
    raise ValueError("a page header is truncated")


def parse_page_header(data: bytes) -> PageHeader:
    """Read a PageHeader at the start of the bytes.

    Raises:
        ValueError: it is malformed.
    """
    reader = Compact(data)
    sizes: dict[int, int] = {}
    for field, kind in reader.fields():
        if field in (2, 3) and kind == I32:
            sizes[field] = reader.zigzag()
        else:
            reader.skip(kind)
    if set(sizes) != {2, 3} or min(sizes.values()) < 0:
        raise ValueError("a page header has no sizes")
    return PageHeader(reader.position, sizes[2], sizes[3])
