"""Bodies that are small and decode to much, or take a parser long; each with its content type."""

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CSV, PARQUET, NPY, JSON = (
    "text/csv",
    "application/vnd.apache.parquet",
    "application/x-npy",
    "application/json",
)


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def dictionary_of_one(column: str, n_rows: int = 20_000, n_bytes: int = 1_000_000) -> bytes:
    """Gigabytes of text when decoded."""
    codes = pa.array(np.zeros(n_rows, np.int32))
    return parquet(pa.table({column: pa.DictionaryArray.from_arrays(codes, ["x" * n_bytes])}))


def lists(column: str, n_values: int = 200_000_000) -> bytes:
    values = pa.nulls(n_values, pa.int8())
    return parquet(pa.table({column: pa.ListArray.from_arrays([0, n_values], values)}))


def many_rows(column: str, n_rows: int = 100_000_000) -> bytes:
    return parquet(pa.table({column: pa.nulls(n_rows, pa.float64())}))


def many_columns(n_columns: int) -> bytes:
    header = ",".join(f"c{i}" for i in range(n_columns))
    return f"{header}\n{',' * (n_columns - 1)}\n".encode()


def npy_claiming(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + b"\0" * 100


def bodies(column: str) -> Iterator[tuple[str, str, bytes]]:
    """(name, content type, body) of each kind; `column` is one of the model's."""
    yield "a dictionary of one long string", PARQUET, dictionary_of_one(column)
    yield "a list column", PARQUET, lists(column)
    yield "a hundred million rows", PARQUET, many_rows(column)
    yield "a hundred million rows of another column", PARQUET, many_rows("other")
    yield "a million names", CSV, many_columns(1_000_000)
    yield "100,000 names", CSV, many_columns(100_000)
    yield "many short lines", CSV, b"a\n" + b"1\n" * 4_000_000
    yield "an open quote", CSV, b'a,b\n"' + b"x" * 8_000_000
    yield "an array of a petabyte", NPY, npy_claiming((1 << 47,))
    yield "millions of empty objects", JSON, b"[" + b"{}," * 5_000_000 + b"{}]"
    yield "deep lists", JSON, b"[" * 10_000_000
    yield "many numbers", JSON, b"[" + b"1.5," * 3_900_000 + b"1]"
    yield "many names in one object", JSON, b"{" + b'"%s":1,' * 2_000_000 + b'"a":1}'
