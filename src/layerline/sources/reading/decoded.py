"""Columns without dictionaries and views, decoded in pieces whose size is known beforehand.

A dictionary of one long text and a million codes is small as it is stored and terabytes when every
row gets its own text.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layerline.sources.reading.limits import Meter


def decoded(table: pa.Table, meter: Meter) -> Iterator[pa.Table]:
    """The rows in order, in tables that fit the meter's batch.

    Raises:
        TooLargeError: beyond a limit of the meter.
    """
    n_bytes = _measure(table, meter)
    meter.expect_more(n_bytes)
    yield from _pieces(table, n_bytes, meter)


def _measure(table: pa.Table, meter: Meter) -> int:
    n_bytes = 0
    for name, values in zip(table.column_names, table.columns, strict=True):
        size, longest = decoded_size(values)
        meter.check_value(longest, name)
        n_bytes += size
    return n_bytes


def _pieces(table: pa.Table, n_bytes: int, meter: Meter) -> Iterator[pa.Table]:
    if n_bytes > meter.limits.batch_bytes and table.num_rows > 1:
        for half in (table.slice(0, table.num_rows // 2), table.slice(table.num_rows // 2)):
            yield from _pieces(half, _measure(half, meter), meter)
        return
    meter.add(table.num_rows * table.num_columns, n_bytes)
    yield pa.table([_plain(column) for column in table.columns], names=table.column_names)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of what `decoded` yields."""
    return pa.schema([field.with_type(_plain_type(field.type)) for field in schema])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.string() if kind == pa.string_view() else kind


def decoded_size(values: pa.ChunkedArray) -> tuple[int, int]:
    """Bytes of all values once they are plain, and of the longest text among them."""
    total = longest = 0
    for chunk in values.chunks:
        lengths = _lengths(chunk)
        if lengths is None:
            total += len(chunk) * 8
        elif len(lengths):
            total += int(lengths.sum()) + 4 * len(lengths)
            longest = max(longest, int(lengths.max()))
    return total, longest


def longest_word(values: pa.Array) -> int:
    """The bytes of the longest text in the dictionary of these values, used or not."""
    words = values.dictionary if pa.types.is_dictionary(values.type) else values
    lengths = _lengths(words)
    return 0 if lengths is None or not len(lengths) else int(lengths.max())


def _lengths(values: pa.Array) -> np.ndarray | None:
    """(B,) bytes of each text; None for values of a fixed width."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        of_words = _lengths(values.dictionary)
        if of_words is None:
            return None
        codes = values.indices.drop_null().to_numpy(zero_copy_only=False)
        return of_words[codes]
    if kind in (pa.string_view(), pa.binary_view()):
        views = values.buffers()[1]  # 16 bytes each, which begin with the length
        found = np.frombuffer(views, np.int32).reshape(-1, 4)[:, 0].astype(np.int64)
        return found[values.offset : values.offset + len(values)]
    if _is_text(kind):
        lengths = pc.fill_null(pc.binary_length(values), 0)
        return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    return None


def _is_text(kind: pa.DataType) -> bool:
    types = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    return any(kind == one for one in types)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    while pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.cast(pa.string()) if values.type == pa.string_view() else values
