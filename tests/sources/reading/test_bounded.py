"""What unfolds is refused before it is decoded; what is not needed is not read."""

import contextlib
import dataclasses
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.errors import DataError, LayerlineError
from layerline.sources.reading.bounded import read_upload
from layerline.sources.reading.decoded import decoded, decoded_size
from layerline.sources.reading.limits import FILES, UPLOADS, Meter, TooLargeError
from layerline.sources.reading.parquet_footer import Chunk, read_chunks
from layerline.sources.reading.parquet_pages import declared_bytes, parse_page_header
from layerline.sources.reading.reader import read_files


def one_text(length: int, n_rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(n_rows, np.int32), ["x" * length])


def parquet(path: Path, columns: dict[str, pa.Array], **options: object) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    return path


BOMBS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one long text, many codes": (
        lambda path: parquet(path, {"x": one_text(2_000_000, 20_000)}),
        "a value of 2 MB in column 'x'",
    ),
    "a long text, many codes": (
        lambda path: parquet(path, {"x": one_text(500_000, 20_000)}),
        "9 GB when decoded",
    ),
    "zeros": (
        lambda path: parquet(path, {"x": pa.array(np.zeros(20_000_000)).dictionary_encode()}),
        "20,000,000 cells",
    ),
    "missing values": (
        lambda path: parquet(path, {"x": pa.nulls(50_000_000, pa.float64())}),
        "50,000,000 cells",
    ),
    "plain pages": (
        lambda path: parquet(path, {"x": pa.array(["y" * 500_000] * 2000)}, use_dictionary=False),
        "when decoded",
    ),
    "texts by their difference": (
        lambda path: parquet(
            path,
            {"x": pa.array(["y" * 500_000] * 2000)},
            use_dictionary=False,
            column_encoding={"x": "DELTA_BYTE_ARRAY"},
        ),
        "DELTA_BYTE_ARRAY",
    ),
    "columns": (
        lambda path: parquet(path, {f"c{i}": pa.array([1.0]) for i in range(10_001)}),
        "10,001 columns",
    ),
}
CSV_BOMBS = {
    "a million names": (",".join(f"c{i}" for i in range(1_000_000)) + "\n1\n", "a line of more"),
    "many names": (",".join(f"c{i}" for i in range(100_000)) + "\n1\n", "100,000 columns"),
    "one endless line": ("x" * 3_000_000, "a line of more than 1 MB"),
    "cells": ("x,y\n" + "1,2\n" * 5_000_001, "cells"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_parquet_bomb_is_refused_before_it_unfolds(bomb: str, tmp_path: Path) -> None:
    make, message = BOMBS[bomb]
    make(tmp_path / "t.parquet")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from layerline.sources.reading.bounded import read_upload\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_upload(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, grown = done.stdout.splitlines()
    assert said[0].startswith("TooLargeError")
    assert message in said[0]
    assert int(grown) < 100_000  # kB


@pytest.mark.parametrize("bomb", CSV_BOMBS)
def test_a_csv_bomb_is_refused(bomb: str, csv_file: Callable[..., Path]) -> None:
    content, message = CSV_BOMBS[bomb]
    with pytest.raises(TooLargeError, match=message):
        read_upload(csv_file(content))


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    bomb = one_text(2_000_000, 20_000)
    lists = pa.array([[1.0]] * 20_000)
    path = parquet(
        tmp_path / "t.parquet", {"bomb": bomb, "x": pa.array(range(20_000)), "tags": lists}
    )
    table = read_upload(path, ["x", "absent"])
    assert table.column_names == ["x"]
    assert table["x"].to_pylist() == list(range(20_000))
    with pytest.raises(DataError, match="column 'tags' is of type list<element: double>"):
        read_upload(path, ["x", "tags"])


def test_only_the_fields_that_are_needed_are_read(csv_file: Callable[..., Path]) -> None:
    table = read_upload(csv_file("a,b,c\n1,2,3\n4,,6\n"), {"c", "b"})
    assert table.to_pydict() == {"b": ["2", None], "c": ["3", "6"]}


def test_a_dictionary_within_the_limits_is_plain_text(tmp_path: Path) -> None:
    words = pa.array(["a", None, "b", "a"]).dictionary_encode()
    path = parquet(tmp_path / "t.parquet", {"x": words, "n": pa.array([1, 2, 3, 4])})
    table = read_upload(path)
    assert table.schema == pa.schema([("x", pa.string()), ("n", pa.int64())])
    assert table["x"].to_pylist() == ["a", None, "b", "a"]
    empty = parquet(tmp_path / "e.parquet", {"x": words.slice(0, 0)})
    assert read_upload(empty).schema == pa.schema([("x", pa.string())])


def test_the_clock_ends_a_reading(csv_file: Callable[..., Path]) -> None:
    limits = dataclasses.replace(UPLOADS, seconds=0.0)
    with pytest.raises(TooLargeError, match="more than 0 seconds"):
        read_upload(csv_file("a,b\n1,2\n"), limits=limits)
    with pytest.raises(TooLargeError, match="more than 0 seconds"):
        read_upload(csv_file('a,b\n1,"2"\n'), limits=limits)


def test_a_large_batch_is_decoded_in_pieces() -> None:
    limits = dataclasses.replace(FILES, batch_bytes=10_000)
    words = [f"{i % 3}" * 100 for i in range(1000)]
    table = pa.table({"x": pa.array(words).dictionary_encode(), "y": range(1000)})
    pieces = list(decoded(table, Meter(limits, "t")))
    assert len(pieces) >= 10
    assert max(decoded_size(piece["x"])[0] for piece in pieces) <= 10_000
    assert pa.concat_tables(pieces).to_pydict() == {"x": words, "y": list(range(1000))}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_the_size_is_known_before_it_is_decoded(kind: pa.DataType) -> None:
    words = ["a", None, "", "äöü", "x" * 50]
    values = pa.chunked_array([pa.array(words, kind), pa.array(words[::-1], kind)]).slice(1, 8)
    expected = [word or "" for word in [*words, *words[::-1]][1:9]]
    n_bytes = sum(len(word.encode()) for word in expected)
    assert decoded_size(values) == (n_bytes + 4 * 8, 50)


def test_a_list_column_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "t.parquet",
        {
            "x": pa.array([1, 2]),
            "tags": pa.array([["a"], ["b"]]),
            "raw": pa.array([b"x", b"y"]),
            "person": pa.array([{"age": 1}, {"age": 2}]),
        },
    )
    read = read_files([path])
    assert read.table.column_names == ["x"]
    assert len(read.notes) == 3
    assert "column 'tags' is of type list<element: string>" in read.notes[0]
    assert all(note.endswith("it is left out") for note in read.notes)


def test_pages_declare_what_the_footer_does(tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        path = parquet(
            tmp_path / "t.parquet",
            {"x": pa.array(np.arange(300_000) % 977), "s": pa.array(["ab", None, "c"] * 100_000)},
            data_page_version=version,
            write_page_checksum=True,
        )
        metadata = pq.read_metadata(path)
        known = read_chunks(path)
        with path.open("rb") as file:
            for place, name in enumerate("xs"):
                chunks = [
                    metadata.row_group(group).column(place)
                    for group in range(metadata.num_row_groups)
                ]
                footer = sum(chunk.total_uncompressed_size for chunk in chunks)
                found = declared_bytes(file, known, {name}, Meter(FILES, "t"))
                # The footer counts the headers too.
                assert 0 <= footer - found < 3000


def test_a_page_that_declares_more_than_the_footer_is_refused(tmp_path: Path) -> None:
    numbers = pa.array(range(200_000))
    path = parquet(
        tmp_path / "t.parquet",
        {"x": numbers},
        use_dictionary=False,
        data_page_size=4 << 20,
        max_rows_per_page=1 << 20,
    )
    content = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    honest = zigzag(parse_page_header(bytes(content[start : start + 4096])).uncompressed)
    forged = zigzag(134_000_000)
    at = content.index(honest, start)
    assert len(honest) == len(forged)
    content[at : at + len(honest)] = forged
    path.write_bytes(content)
    with pytest.raises(TooLargeError, match="128 MB when decoded"):
        read_upload(path)


def zigzag(value: int) -> bytes:
    """A number that is not negative, as Thrift's compact protocol writes it."""
    value, out = value << 1, bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_page_header_or_a_value_error(content: bytes) -> None:
    try:
        page = parse_page_header(content)
    except ValueError:
        return
    assert page.header <= len(content)
    assert min(page) >= 0


def test_damaged_metadata_of_a_column_do_not_end_the_process(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    words = pa.array(["a", "b", None]).dictionary_encode()
    pq.write_table(pa.table({"x": words, "y": [1, 2, 3]}), buffer)
    content, path = buffer.getvalue(), tmp_path / "t.parquet"
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in range(start, len(content) - 8):
        for bit in range(0, 8, 3):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with contextlib.suppress(LayerlineError):
                assert read_upload(path).num_rows <= 3


def test_a_footer_is_read_as_arrow_reads_it(tmp_path: Path) -> None:
    columns = {"x": pa.array(["a", "b"] * 50).dictionary_encode(), "y": pa.array(range(100))}
    path = parquet(tmp_path / "t.parquet", columns, row_group_size=40)
    metadata = pq.read_metadata(path)
    theirs = [metadata.row_group(g).column(c) for g in range(3) for c in range(2)]
    assert read_chunks(path) == [
        Chunk(
            one.path_in_schema,
            one.physical_type == "BYTE_ARRAY",
            "DELTA_BYTE_ARRAY" in one.encodings,
            one.num_values,
            one.total_compressed_size,
            one.data_page_offset,
            one.dictionary_page_offset,
        )
        for one in theirs
    ]


def test_damage_is_reported_as_such(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": [1, 2, 3]}), buffer)
    path = tmp_path / "t.parquet"
    path.write_bytes(buffer.getvalue()[:-20] + b"\0" * 12 + b"PAR1")
    with pytest.raises(LayerlineError, match="damaged") as caught:
        read_upload(path)
    assert caught.value.exit_code == 4


def test_a_file_of_ones_own_with_long_words_is_read_in_pieces(tmp_path: Path) -> None:
    words = ["x" * 50_000, "y"]
    rows = pa.DictionaryArray.from_arrays(np.arange(40_000, dtype=np.int32) % 2, words)
    path = parquet(tmp_path / "t.parquet", {"x": rows, "n": pa.array(range(40_000))})
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from layerline.sources.reading.reader import open_files\n"
        "n, sizes = 0, []\n"
        "for table in open_files([Path(sys.argv[1])]).tables():\n"
        "    n += table.num_rows; sizes.append(table.nbytes)\n"
        "print(n, max(sizes) <= 512 << 20, len(sizes) > 1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["40000", "True", "True"]
