"""Each kind of bad input that reading can meet: its exit code and its message, through fetch."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerline.artifacts import Workspace
from layerline.config import FetchSection
from layerline.errors import LayerlineError, SourceError
from layerline.sources.fetch import fetch
from layerline.sources.reading.reader import open_files
from layerline.tables.storage import read_table


def run(
    tmp_path: Path, content: bytes, name: str = "t.csv", **options: object
) -> dict[str, object]:
    (tmp_path / name).write_bytes(content)
    options = {"path": str(tmp_path / name), **options}
    section = FetchSection(source="files", options=options, target="y")
    return fetch(Workspace(tmp_path), section)


REFUSED = {
    "duplicate columns": (b"x,x,y\n1,2,a\n", "the header names 'x' more than once"),
    "one extra field in every row": (b"x,y\n1,a,9\n2,b,9\n", "but line 2 has 3, line 3 has 3"),
    "a missing field in every row": (b"x,z,y\n1,a\n2,b\n", "but line 2 has 2, line 3 has 2"),
    "a cut last line": (b"x,y\n1,a\n2,b\n3", "but line 4 has 1"),
    "a last line cut in a quote": (b'x,y\n1,a\n2,"b', "line 3: unexpected end of data"),
    "NUL bytes": (b"x,y\n1,a\n\0\0\0\n", "line 3 has a NUL byte"),
    "header only": (b"x,y\n", "there is a header but no row of data"),
    "blank lines only": (b"x,y\n\n\n", "there is a header but no row of data"),
    "empty": (b"", "the file is empty (0 bytes)"),
    "a number too large": (b"x,y\n0.5,a\n1e400,b\n", "data row 2: 1e400 would become infinite"),
    "a number too small": (b"x,y\n0.5,a\n1e-400,b\n", "data row 2: 1e-400 would become zero"),
    "a single row": (b"x,y\n1,a\n", "target 'y' holds only the value 'a'"),
    "a target without a value": (b"x,y\n1,\n2,\n", "target 'y' holds no value at all"),
    "no target": (b"x,z\n1,a\n2,b\n", "there is no target column 'y'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_exit_code_3(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    with pytest.raises(LayerlineError) as caught:
        run(tmp_path, content)
    assert message in str(caught.value)
    assert "t.csv" in str(caught.value) or "target" in str(caught.value)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "data" / "raw").exists()


def test_a_wrong_separator_names_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(LayerlineError, match=r"separator: ';'") as caught:
        run(tmp_path, b"x;y\n1;a\n2;b\n", separator=",")
    assert caught.value.exit_code == 3


KEPT = {
    "a byte order mark": (b"\xef\xbb\xbfx,y\n1,a\n2,b\n", [1, 2], None),
    "infinity": (b"x,y\n0.5,a\n-inf,b\n", [0.5, -np.inf], None),
    "beyond 64 bits": (
        b"x,y\n1,a\n9223372036854775808,b\n",
        ["1", "9223372036854775808"],
        "64 bits",
    ),
    "beyond 2^53 beside a gap": (
        b"x,y\n9007199254740993,a\n,b\n",
        ["9007199254740993", None],
        "2^53",
    ),
    "beyond 2^53": (b"x,y\n9007199254740993,a\n1,b\n", [9007199254740993, 1], None),
    "leading zeros": (b"x,y\n00123,a\n4,b\n", ["00123", "4"], None),
    "NA as a level": (b"x,y\nNA,a\nDE,b\n", ["NA", "DE"], None),
    "NA beside numbers": (b"x,y\nNA,a\n4,b\n", [None, 4.0], None),
    "mixed types": (b"x,y\n1,a\ntwo,b\n", ["1", "two"], None),
    "a date that is none": (
        b"x,y\n2024-02-30,a\n2024-01-01,b\n",
        ["2024-02-30", "2024-01-01"],
        None,
    ),
    "the year 0": (b"x,y\n0000-01-01,a\n2024-01-01,b\n", ["0000-01-01", "2024-01-01"], None),
    "a last line without its end": (b"x,y\n1,a\n2,b", [1, 2], "may be cut off"),
}


@pytest.mark.parametrize("case", KEPT)
def test_kept_as_it_is_written(case: str, tmp_path: Path) -> None:
    content, values, said = KEPT[case]
    notes = run(tmp_path, content)["notes"]
    found = read_table(tmp_path / "data" / "raw")["x"].tolist()
    assert [None if pd.isna(value) else value for value in found] == values
    assert bool(notes) == (said is not None)
    assert said is None or said in str(notes)


def test_columns_twice_in_parquet(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(LayerlineError, match="has x more than once") as caught:
        run(tmp_path, (tmp_path / "t.parquet").read_bytes(), "t.parquet")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "dates",
    [
        pa.array([2**53], pa.int64()).cast(pa.timestamp("ms")),
        pa.array([4_000_000], pa.int32()).cast(pa.date32()),
        pa.array([-(2**62)], pa.int64()).cast(pa.timestamp("us")),
    ],
)
def test_dates_out_of_range(dates: pa.Array, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": dates, "y": ["a"]}), tmp_path / "t.parquet", version="2.6")
    with pytest.raises(LayerlineError, match="a date outside the years 1 to 9999") as caught:
        run(tmp_path, (tmp_path / "t.parquet").read_bytes(), "t.parquet")
    assert caught.value.exit_code == 3


def test_whole_decimals_are_not_rounded(tmp_path: Path) -> None:
    wide = pa.array(["9223372036854775809", "1"]).cast(pa.decimal128(20, 0))
    pq.write_table(pa.table({"x": wide, "y": ["a", "b"]}), tmp_path / "t.parquet")
    about = run(tmp_path, (tmp_path / "t.parquet").read_bytes(), "t.parquet")
    assert read_table(tmp_path / "data" / "raw")["x"].tolist() == ["9223372036854775809", "1"]
    assert "beyond 64 bits" in str(about["notes"])


@pytest.mark.parametrize("how", ["replaced", "appended", "same size and time"])
def test_a_file_that_changes_while_it_is_read(how: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"x,y\n1,a\n2,b\n")
    before = path.stat()
    reading = open_files([path])  # looked at once, for the types
    if how == "replaced":
        (tmp_path / "new.csv").write_bytes(b"x,y\n1,a\n2,b\n")
        os.replace(tmp_path / "new.csv", path)
    elif how == "appended":
        with path.open("ab") as file:
            file.write(b"3,c\n")
    else:
        path.write_bytes(b"x,y\n1,a\n7,b\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SourceError, match="was changed while it was read") as caught:
        list(reading.tables())
    assert caught.value.exit_code == 4


def test_types_hold_for_all_blocks_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerline.sources.reading import delimited

    monkeypatch.setattr(delimited, "_BLOCK", 64)
    rows = b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 :][:1]) for i in range(200))
    run(tmp_path, b"x,y\n" + rows + b"0.5,a\n" + rows)
    found = read_table(tmp_path / "data" / "raw")["x"]
    assert found.dtype == np.float64
    assert found.tolist() == [*range(200), 0.5, *range(200)]
    with pytest.raises(LayerlineError, match=r"data row 202: 1e400 .*\(2 such values\)"):
        run(tmp_path, b"x,y\n" + rows + b"0.5,a\n1e400,a\n1e400,b\n")


def test_a_late_key_of_json_lines_has_a_gap_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerline.sources.reading import json_lines

    monkeypatch.setattr(json_lines, "BATCH_ROWS", 1)
    content = b'{"y": "a"}\n{"y": "b", "x": 9007199254740993}\n'
    about = run(tmp_path, content, "t.jsonl")
    assert read_table(tmp_path / "data" / "raw")["x"].tolist()[1] == "9007199254740993"
    assert "beyond 2^53" in str(about["notes"])
