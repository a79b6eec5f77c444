"""JSON lines, Arrow and partitioned folders: what is written comes back, or one message."""

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.errors import DataError, LayerlineError
from layerline.sources.reading.paths import find_files, find_partitions
from layerline.sources.reading.reader import read_files

BOUNDED = settings(max_examples=200, deadline=None)
NAME = st.text("abcdefg", min_size=1, max_size=3)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
COLUMN = st.sampled_from(
    [
        st.none() | st.booleans(),
        st.none() | st.integers(-(2**53), 2**53),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | TEXT.map(lambda text: f"t{text}"),
    ]
)


def read(path: Path) -> pa.Table:
    return read_files(find_files(str(path))).table


@BOUNDED
@given(st.data())
def test_json_values_come_back(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    kinds = {name: data.draw(COLUMN) for name in names}
    rows = data.draw(st.lists(st.fixed_dictionaries(kinds), min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        assert read(path).to_pylist() == rows


@BOUNDED
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text('{}[]":,\n\\ae1.-tfn0N', max_size=40).map(lambda text: text.encode()),
    )
)
def test_any_bytes_are_what_json_says_or_one_message(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        path.write_bytes(content)
        try:
            rows = read(path).to_pylist()
        except LayerlineError:
            return
    written = [json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    # An absent key and null are both a gap; a number may come back as a float or as its digits.
    for row, truth in zip(rows, written, strict=True):
        for name, value in row.items():
            same = value == truth.get(name) or str(value) == str(truth.get(name))
            assert same or pd.isna(truth.get(name)), (row, truth)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b'{"a": 1}\n{"a": ', "line 2 is not one JSON object"),
        (b'{"a": 1}\n[1]\n', "line 2 holds no object"),
        (b'{"a": 1, "a": 2}\n', "line 1 is not one JSON object (it has 'a' more than once)"),
        (b'{"a": {"b": 1}}\n', "line 1: 'a' holds an object of values"),
        (b'{"a": 1}\n{"a": "x"}\n', "column 'a' holds numbers and text"),
        (b'{"a": 1.5}\n{"a": 1e400}\n', "data row 2: 1e400 would become infinite"),
        (b'{"a": "\\ud800"}\n', "half a surrogate pair"),
        (b'{"\\ud800": 1}\n', "has half a surrogate pair"),
        (b'{"a": "\xe9"}\n', "not utf-8: it has the byte 0xe9"),
        (b'{"a":' + b"[" * 100_000, "line 1 is not one JSON object"),
    ],
)
def test_json_lines_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(LayerlineError) as caught:
        read(path)
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


def test_json_keeps_what_a_number_cannot(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": 9007199254740993, "zip": "00123", "level": "NA"}\n{"zip": "1"}\n')
    found = read_files([path])
    assert found.table.to_pylist() == [
        {"id": "9007199254740993", "zip": "00123", "level": "NA"},
        {"id": None, "zip": "1", "level": None},
    ]
    assert "kept as text" in found.notes[0]


@pytest.mark.parametrize(
    "value", [1.5, 3, True, "word", "00123", "2024-02-29", 2**53 + 1], ids=repr
)
def test_pythons_nan_is_a_gap_in_a_column_of_any_type(value: object, tmp_path: Path) -> None:
    gap, nan = (
        f'{{"x": {json.dumps(value)}}}\n{{"x": {missing}}}\n' for missing in ("null", "NaN")
    )
    tables = []
    for name, content in (("gap.jsonl", gap), ("nan.jsonl", nan)):
        (tmp_path / name).write_text(content)
        tables.append(read_files([tmp_path / name]).table)
    assert tables[1].equals(tables[0])
    assert tables[1]["x"].null_count == 1


def test_json_numbers_are_numbers_whatever_they_are(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": -Infinity, "b": NaN}\n{"b": NaN}\n')
    table = read_files([path]).table
    assert table.schema.types == [pa.float64(), pa.float64()]
    assert table["a"].to_pylist() == [float("-inf"), None]


def test_arrow_with_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    with pa.ipc.new_file(str(path), pa.schema([("name_of_it", pa.int64())])) as writer:
        writer.write_table(pa.table({"name_of_it": [1]}))
    path.write_bytes(path.read_bytes().replace(b"name_of_it", b"name\xe3of_it"))
    with pytest.raises(LayerlineError, match="damaged or truncated"):
        read(path)


@pytest.mark.parametrize("stream", [True, False])
def test_arrow_in_both_formats(stream: bool, tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([1, 2], pa.int16()), "y": pa.array(["a", None])})
    path = tmp_path / "t.arrow"
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(path), table.schema) as writer:
        writer.write_table(table)
    assert read(path).to_pylist() == table.to_pylist()
    path.write_bytes(path.read_bytes()[: 100 if stream else -20])
    with pytest.raises(LayerlineError, match="not a readable Arrow file") as caught:
        read(path)
    assert caught.value.exit_code == 4


def write_partitions(folder: Path) -> None:
    for year, city in (("2023", "Bonn"), ("2024", "Bad%20Ems"), ("2024", "00123")):
        place = folder / f"year={year}" / f"city={city}"
        place.mkdir(parents=True)
        pd.DataFrame({"x": [int(year)]}).to_parquet(place / "part-0.parquet")


def test_folders_of_a_partitioned_table_are_columns(tmp_path: Path) -> None:
    write_partitions(tmp_path)
    files = find_files(str(tmp_path))
    table = read_files(files, partitions=find_partitions(str(tmp_path), files)).table
    assert table.to_pylist() == [
        {"x": 2023, "year": 2023, "city": "Bonn"},
        {"x": 2024, "year": 2024, "city": "00123"},
        {"x": 2024, "year": 2024, "city": "Bad Ems"},
    ]


def test_a_partition_that_is_a_column_too(tmp_path: Path) -> None:
    write_partitions(tmp_path / "t")
    (tmp_path / "t" / "x=1").mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "t" / "x=1" / "p.parquet")
    files = find_files(str(tmp_path / "t"))
    with pytest.raises(LayerlineError, match="in the file and in the folder's name"):
        read_files(files, partitions=find_partitions(str(tmp_path / "t"), files))


def months(tmp_path: Path) -> str:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.csv").write_text("area,town,price\n1,Lund,9007199254740993\n2,Graz,5\n")
    (tmp_path / "m" / "2.csv").write_text("area,city,garden,price\n3,Brno,1,7\n")
    (tmp_path / "m" / "3.csv").write_text("price,town,area\n8,Pisa,4\n")
    return str(tmp_path / "m")


def test_months_whose_columns_differ_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_files(find_files(months(tmp_path)))
    assert "2.csv: its columns differ" in str(caught.value)
    assert "lacks town and adds city, garden" in str(caught.value)
    assert "fetch.options.union: true" in str(caught.value)


def test_a_union_of_months_has_every_column_and_says_what_is_missing(tmp_path: Path) -> None:
    read = read_files(find_files(months(tmp_path)), union=True)
    assert read.table.column_names == ["area", "town", "price", "city", "garden"]
    assert read.table["area"].to_pylist() == [1, 2, 3, 4]
    assert read.table["town"].to_pylist() == ["Lund", "Graz", None, "Pisa"]
    assert read.table["garden"].to_pylist() == [None, None, 1, None]
    assert read.table["price"].to_pylist() == [9007199254740993, 5, 7, 8]
    lacking = [note for note in read.notes if "lacks" in note]
    assert [note.split("/")[-1] for note in lacking] == [
        "1.csv: lacks 'city', 'garden': missing in its rows",
        "2.csv: lacks 'town': missing in its rows",
        "3.csv: lacks 'city', 'garden': missing in its rows",
    ]


def test_a_whole_number_that_a_gap_would_round_stays_text_in_a_union(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("x,y\n9007199254740993,1\n")
    (tmp_path / "2.csv").write_text("y\n2\n")
    read = read_files(find_files(str(tmp_path / "*.csv")), union=True)
    assert read.table["x"].to_pylist() == ["9007199254740993", None]


LISTED = '[{"x": 1.50, "s": "a\\nb", "n": null},\n {"x": 2e3,\n  "s": "[}", "n": true}\n]\n'


def test_a_list_of_objects_is_read_as_json_lines_are(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(LISTED)
    (tmp_path / "t.jsonl").write_text(
        '{"x": 1.50, "s": "a\\nb", "n": null}\n{"x": 2e3, "s": "[}", "n": true}\n'
    )
    listed, lines = (read_files([tmp_path / name]).table for name in ("t.json", "t.jsonl"))
    assert listed.equals(lines)
    assert listed.to_pydict() == {"x": [1.5, 2000.0], "s": ["a\nb", "[}"], "n": [None, True]}
    (tmp_path / "t.json").write_text((tmp_path / "t.jsonl").read_text())
    assert read_files([tmp_path / "t.json"]).table.equals(lines)


COLUMNS = {"n": [9007199254740993, 1], "s": ["a\nb", None]}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "content",
    [
        COLUMNS,
        {name: {"0": values[0], "1": values[1]} for name, values in COLUMNS.items()},
        {"columns": ["n", "s"], "data": [[9007199254740993, "a\nb"], [1, None]]},
        {"status": "ok", "rows": [{"n": 9007199254740993, "s": "a\nb"}, {"n": 1, "s": None}]},
    ],
)  # fmt: skip
def test_an_object_of_columns_is_read_as_its_rows(
    content: dict[str, Any], indent: int | None, tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text(json.dumps(content, indent=indent))
    assert read_files([tmp_path / "t.json"]).table.to_pydict() == COLUMNS


def test_one_object_of_values_is_one_row(tmp_path: Path) -> None:
    for text in ('{"x": 1, "y": "a"}', '{\n "x": 1,\n "y": "a"\n}\n'):
        (tmp_path / "t.json").write_text(text)
        assert read_files([tmp_path / "t.json"]).table.to_pylist() == [{"x": 1, "y": "a"}]


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (gzip.compress(b"x,y\n1,2\n", mtime=0), "the ending .csv.gz"),
        (b"PAR1" + bytes(20), "the ending .parquet"),
        (b"PK\x03\x04" + bytes(20), "the ending .xlsx or .zip"),
        (b"\xd0\xcf\x11\xe0" + bytes(20), "save it as .xlsx or CSV"),
        (b"\n <!DOCTYPE html><html>", "a web page, not a table"),
    ],
)
def test_a_file_under_the_name_of_another_kind(content: bytes, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=remedy):
        read_files([tmp_path / "t.csv"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"x": 1}, {"x": 2', "object 2 of its list is not JSON"),
        ('[{"x": 1} {"x": 2}]', "ends after object 1 without a bracket"),
        ('[{"x": 1}', "ends after object 1 without a bracket"),
        ('[{"x": 1}] x', "something follows its list of 1 objects"),
        ('[{"x": 1}, 2]', "line 2 holds no object"),
        ('{"x": {"0": 1}, "y": {"1": 2}}', "holds an object of values"),
        ('{"x": 1, "y": [2]}', "'y' holds a list of values"),
        ('{"x": [1, 2], "y": [1]}', "its columns have 1 to 2 values"),
        ('{"columns": ["x"], "data": [[1], [1, 2]]}', "row 2 is no list of 1 values"),
        ('{"columns": [null], "data": [[1]]}', "the names of its columns are not text"),
        ('{"x":\n[1, 2', "line 1 is not one JSON object"),
        ("[]", "is empty"),
    ],
)
def test_json_that_is_no_table_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_files([tmp_path / "t.json"])
