"""Any bytes end in the values that are written there, or in one message: never in a traceback.

Each reader gets whole files, made from rows by another writer and then damaged, and noise. What it
accepts is compared with an independent reader: csv, json, pyarrow, zipfile. `make fuzz` sets
LAYERLINE_FUZZ_EXAMPLES for far more inputs than `make test` has time for.
"""

import csv
import io
import json
import math
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from layerline.data.reading import archives
from layerline.data.reading.files import read_files
from layerline.data.reading.parsing import MISSING_WORDS
from layerline.data.reading.pictures import Told, read_pictures, size_of
from layerline.data.reading.records import column_of
from layerline.errors import LayerlineError

EXAMPLES = int(os.environ.get("LAYERLINE_FUZZ_EXAMPLES", "10"))


def fuzz(share: int) -> settings:
    """How many inputs a reader gets; the shares add up to 21."""
    return settings(
        max_examples=EXAMPLES * share,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate] if EXAMPLES > 1000 else [Phase.generate, Phase.shrink],
    )


@contextmanager
def on_disk(name: str, content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Some bytes replaced, removed, doubled or put in, or the end cut off; now and then nothing."""
    change = st.tuples(
        st.sampled_from(["set", "cut", "drop", "twice", "insert"]),
        st.integers(0, 2**16),
        st.binary(min_size=1, max_size=3)
        | st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"'"]),
    )
    return st.builds(_change, whole, st.lists(change, max_size=3))


def _change(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for what, where, put in changes:
        at = where % (len(content) + 1)
        content = {
            "set": content[:at] + put + content[at + len(put) :],
            "cut": content[:at],
            "drop": content[:at] + content[at + len(put) :],
            "twice": content[:at] + content[at // 2 : at] + content[at:],
            "insert": content[:at] + put + content[at:],
        }[what]
    return content


# --- CSV

FIELD = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "00123", "1e400", "1e-400", "inf", "NA", "nan", "true", "FALSE"]
    ),
    st.sampled_from(["2024-02-29", "2023-02-29", "0000-01-01", "9999-12-31 23:59:59.999999", "+5"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.text('ab ",;\n\r1.é', max_size=5),
)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=5))
    stream = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    writer = csv.writer(
        stream, quoting=quoting, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))
    )
    writer.writerows([[f"c{i}" for i in range(width)], *rows])
    return stream.getvalue().encode()


def is_written_so(value: Any, field: str) -> bool:
    """Whether a value is what a field of text says."""
    plain = field.strip(" \t")
    if value is None:
        return plain in MISSING_WORDS
    if isinstance(value, bool):
        return plain.lower() == str(value).lower()
    if isinstance(value, int):
        return plain == str(value)
    if isinstance(value, float):
        return float(plain) == value and math.isinf(value) == ("inf" in plain.lower())
    if isinstance(value, datetime):
        return value == datetime.fromisoformat(plain)
    return bool(value == field)


@fuzz(5)
@given(damaged(csv_files()) | st.binary(max_size=80))
def test_csv(content: bytes) -> None:
    with on_disk("t.csv", content) as path:
        try:
            table = read_files([path]).table
        except LayerlineError:
            return
        text = content.decode("utf-8-sig")
    found = [list(row.values()) for row in table.to_pylist()]
    for separator in ",;\t|":
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))[1:]
        records = [record or [""] for record in records if record or table.num_columns == 1]
        if all(len(record) == table.num_columns for record in records):
            break
    assert len(records) == len(found)
    for row, record in zip(found, records, strict=True):
        assert all(map(is_written_so, row, record)), (row, record)


# --- JSON lines

JSON = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats()),
    *(st.text(max_size=4), st.sampled_from(["NA", "00123", "2024-02-29", ""]), st.just([1])),
)


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    rows = draw(st.lists(st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), max_size=4))
    plain = draw(st.booleans())
    return "".join(f"{json.dumps(row, ensure_ascii=plain)}\n" for row in rows).encode(
        "utf-8", "replace"
    )


@fuzz(4)
@given(damaged(json_files()) | st.text('{}[]":,\n\\ae1.-tfn0Nu', max_size=40).map(str.encode))
def test_json_lines(content: bytes) -> None:
    with on_disk("t.jsonl", content) as path:
        try:
            rows = read_files([path]).table.to_pylist()
        except LayerlineError:
            return
    lines = [line for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    written = [json.loads(line, parse_float=Decimal) for line in lines]
    assert len(rows) == len(written)
    for row, truth in zip(rows, written, strict=True):
        assert set(truth) <= set(row)
        for name, value in row.items():
            assert is_said_so(value, truth.get(name)), (row, truth)


def is_said_so(value: Any, truth: Any) -> bool:
    """Whether a value is what JSON says; a column of wide numbers or of dates changes its type."""
    if truth is None or truth != truth:
        return value is None or value != value
    if isinstance(value, datetime):
        return value == datetime.fromisoformat(truth)
    if isinstance(value, str) and isinstance(truth, Decimal | int) and not isinstance(truth, bool):
        return Decimal(value) == truth
    if isinstance(value, float) and not isinstance(truth, float):
        return value == float(truth)
    return bool(value == truth and isinstance(value, bool) == isinstance(truth, bool))


# --- Parquet and Arrow

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


def check_columnar(content: bytes, name: str, read: Callable[[Path], pa.Table]) -> None:
    with on_disk(name, content) as path:
        try:
            table = read_files([path]).table
        except LayerlineError:
            return
        truth = read(path)
    assert table.num_rows == truth.num_rows
    for found in table.column_names:
        pairs = zip(numbers_of(table[found]), numbers_of(truth[found]), strict=True)
        assert all(is_equal(value, true) for value, true in pairs), (table[found], truth[found])


@fuzz(1)
@given(damaged(tables().map(as_parquet)))
def test_parquet(content: bytes) -> None:
    check_columnar(content, "t.parquet", lambda path: pq.read_table(path, partitioning=None))


@fuzz(2)
@given(damaged(st.builds(as_arrow, tables(), st.booleans())))
def test_arrow(content: bytes) -> None:
    def read(path: Path) -> pa.Table:
        is_file = content.startswith(b"ARROW1")
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(content) as reader:
            return reader.read_all()

    check_columnar(content, "t.arrow", read)


# --- archives

MEMBER = st.one_of(
    st.sampled_from(
        ["a.csv", "b/a.csv", "../a.csv", "/a.csv", "a.csv/", ".", "", "b", "A.csv", "C:a"]
    ),
    st.text("ab./\\:", max_size=6),
)


def as_zip(members: list[tuple[str, bytes]]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name or "_"), content)
    return sink.getvalue()


def as_tar(members: list[tuple[str, bytes]], packed: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=f"w:{packed}") as archive:  # type: ignore[call-overload]
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return sink.getvalue()


MEMBERS = st.lists(st.tuples(MEMBER, st.binary(max_size=40)), max_size=3)


def check_archive(content: bytes, name: str, read: Callable[[bytes], list[bytes]]) -> None:
    with on_disk(name, content) as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(path.parent))
        outside = Path(path.parent.parent, "a.csv")
        try:
            archives.unpack(path)
        except LayerlineError:
            assert not list((path.parent / ".layerline").rglob("files"))
            return
        finally:
            assert not outside.exists()
        files = next((path.parent / ".layerline" / "downloads" / "unpacked").iterdir()) / "files"
        found = sorted(file.read_bytes() for file in files.rglob("*") if file.is_file())
    hidden = read(content)
    assert all(found.count(one) <= hidden.count(one) for one in found)


@fuzz(1)
@given(damaged(MEMBERS.map(as_zip)))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip(content: bytes) -> None:
    def read(packed: bytes) -> list[bytes]:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return [archive.read(entry) for entry in archive.infolist() if not entry.is_dir()]

    check_archive(content, "t.zip", read)


@fuzz(1)
@given(
    damaged(st.builds(as_tar, MEMBERS, st.just("gz")))
    | damaged(MEMBERS.map(lambda m: as_tar(m, "")))
)
def test_tar(content: bytes) -> None:
    def read(packed: bytes) -> list[bytes]:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:*") as archive:
            files = [archive.extractfile(entry) for entry in archive if entry.isreg()]
            return [file.read() for file in files if file is not None]

    check_archive(content, "t.tar", read)


# --- images and rows of a database


def as_picture(shade: int, kind: str) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (3, 2), (shade, 0, 255 - shade)).save(sink, kind)
    return sink.getvalue()


@fuzz(2)
@given(
    damaged(
        st.builds(as_picture, st.integers(0, 255), st.sampled_from(["PNG", "JPEG", "BMP", "GIF"]))
    )
)
def test_pictures(content: bytes) -> None:
    with on_disk("t.png", content) as path:
        told = Told()
        try:
            size = size_of(path)
        except LayerlineError:
            return
        found = list(read_pictures([path], "RGB", size, resize=False, told=told))
        assert len(found) + len(told.problems) == 1
        if found:
            with Image.open(path) as image:
                same = np.asarray(image.convert("RGB"))
            assert image.getexif() or image.mode not in ("RGB", "L") or (found[0] == same).all()


ALIKE = (
    *(st.integers() | st.floats() | st.decimals(), st.none() | st.integers(-(2**63), 2**63 - 1)),
    *(st.none() | st.booleans(), st.none() | st.text(max_size=3), st.none() | st.uuids()),
    *(st.none() | st.dates(), st.none() | st.datetimes(timezones=st.none() | st.timezones())),
)
PYTHON = st.one_of(*ALIKE, st.binary(max_size=2), st.just([1]))


@fuzz(5)
@given(st.lists(PYTHON, max_size=3) | st.one_of(*(st.lists(one, max_size=4) for one in ALIKE)))
def test_rows_of_a_database(values: list[Any]) -> None:
    try:
        array, _ = column_of(values, "column 'x'")
    except LayerlineError:
        return
    for value, truth in zip(array.to_pylist(), values, strict=True):
        assert is_kept(value, truth), (value, truth)


def is_kept(value: Any, truth: Any) -> bool:
    """Whether Arrow holds what the driver gave."""
    is_nan = truth.is_nan() if isinstance(truth, Decimal) else truth != truth
    if truth is None or is_nan:
        return value is None or math.isnan(value)
    if isinstance(truth, datetime):
        return bool(
            value == (truth.astimezone(UTC).replace(tzinfo=None) if truth.tzinfo else truth)
        )
    if isinstance(value, datetime):
        return bool(value.date() == truth)
    if isinstance(value, float):
        return value == float(truth)
    return str(value) == str(truth)
