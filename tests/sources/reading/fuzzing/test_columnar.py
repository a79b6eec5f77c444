"""Parquet and Arrow: what is accepted is what pyarrow alone reads, whatever the bytes."""

import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from damage import damaged, fuzz, on_disk
from hypothesis import given
from hypothesis import strategies as st

from layerline.errors import LayerlineError
from layerline.sources.reading.reader import read_files

ARROW_COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.string(), st.text(max_size=4)),
    (pa.bool_(), st.booleans()),
    (pa.timestamp("s"), st.integers(-(2**53), 2**53)),
    (pa.timestamp("ns", "Europe/Berlin"), st.integers(-(2**62), 2**62)),
    (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.decimal128(20, 0), st.integers(-(10**19), 10**19).map(Decimal)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
    (pa.list_(pa.int64()), st.just([1])),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    n_rows = draw(st.integers(0, 4))
    columns = {}
    for i in range(draw(st.integers(1, 3))):
        kind, values = draw(st.sampled_from(ARROW_COLUMNS))
        column = draw(st.lists(st.none() | values, min_size=n_rows, max_size=n_rows))
        raw = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
        first = pa.int32() if kind == pa.date32() else pa.int64()
        columns[f"c{i}"] = pa.array(column, first).cast(kind) if raw else pa.array(column, kind)
    return pa.table(columns)


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue()


def as_arrow(table: pa.Table, stream: bool) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def numbers_of(column: pa.ChunkedArray) -> list[Any]:
    """The column by pyarrow alone, times as microseconds, so that any year can be compared."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type).to_pylist()
    if pa.types.is_date(kind):
        whole = column.cast(pa.int32() if kind == pa.date32() else pa.int64()).to_pylist()
        day = 86_400_000_000 if kind == pa.date32() else 1000
        return [None if value is None else value * day for value in whole]
    if pa.types.is_timestamp(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        whole = column.cast(pa.int64()).to_pylist()
        return [
            None if value is None else int(Decimal(value) * 10**6 / per_second) for value in whole
        ]
    return column.to_pylist()


def is_equal(value: Any, truth: Any) -> bool:
    if truth is None or truth != truth:
        return value is None or value != value
    if isinstance(value, str) and not isinstance(truth, str):
        return Decimal(value) == truth
    return bool(value == truth)


def check_columnar(content: bytes, name: str, read: Callable[[Path, list[str]], pa.Table]) -> None:
    with on_disk(name, content) as path:
        try:
            table = read_files([path]).table
        except LayerlineError:
            return
        truth = read(path, table.column_names)  # what no model reads may be damaged
    assert table.num_rows == truth.num_rows
    for found in table.column_names:
        pairs = zip(numbers_of(table[found]), numbers_of(truth[found]), strict=True)
        assert all(is_equal(value, true) for value, true in pairs), (table[found], truth[found])


@fuzz(1)
@given(damaged(tables().map(as_parquet)))
def test_parquet(content: bytes) -> None:
    check_columnar(
        content,
        "t.parquet",
        lambda path, names: pq.read_table(path, columns=names, partitioning=None),
    )


@fuzz(2)
@given(damaged(st.builds(as_arrow, tables(), st.booleans())))
def test_arrow(content: bytes) -> None:
    def read(path: Path, names: list[str]) -> pa.Table:
        is_file = content.startswith(b"ARROW1")
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(content) as reader:
            return reader.read_all().select(names)

    check_columnar(content, "t.arrow", read)
