"""An Excel file is read as CSV files of its sheets are."""

import datetime
from pathlib import Path

import pytest

from layerline.errors import DataError, SourceError
from layerline.sources import SOURCES
from layerline.sources.reading.paths import find_files
from layerline.sources.reading.plain_copy import inner_name, plain_copy
from layerline.sources.reading.reader import read_files
from layerline.tables.storage import read_table

openpyxl = pytest.importorskip("openpyxl")

ROWS = [
    ["day", "area", "zip", "sold", "note"],
    [datetime.datetime(2024, 1, 31), 12.5, "00123", True, None],
    [datetime.datetime(2024, 2, 1), 3, "04109", False, "a,b"],
    [datetime.datetime(2024, 2, 2), 0.1, "10115", True, "#N/A"],
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def write(path: str, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return Path(path)


def test_cells_come_back() -> None:
    read = read_files(find_files(str(write("t.xlsx", Sheet1=ROWS))))
    assert read.table.column_names == ROWS[0]
    assert read.table["area"].to_pylist() == [12.5, 3.0, 0.1]
    assert read.table["zip"].to_pylist() == ["00123", "04109", "10115"]
    assert read.table["sold"].to_pylist() == [True, False, True]
    assert read.table["day"].to_pylist() == [row[0] for row in ROWS[1:]]
    assert read.table["note"].to_pylist() == [None, "a,b", None]


def test_a_title_and_empty_rows_are_left_out() -> None:
    rows = [["Sales of May"], [], *ROWS, [], []]
    path = write("t.xlsx", Sheet1=rows, Empty=[])
    assert read_files(find_files(str(path))).table.num_rows == 3


def test_it_is_a_source_and_its_name_is_shown(tmp_path: Path) -> None:
    write("t.xlsx", Sheet1=ROWS)
    (tmp_path / "out").mkdir()
    info = SOURCES["files"].build(tmp_path / "out", "sold", path="t.xlsx")
    assert info.origin["files"][0]["path"] == "t.xlsx/Sheet1.csv"
    assert len(read_table(tmp_path / "out")) == 3


def test_sheets_of_equal_columns_are_one_table_and_others_are_named() -> None:
    same = write("m.xlsx", Jan=ROWS, Feb=ROWS)
    assert read_files(find_files(str(same))).table.num_rows == 6
    write("n.xlsx", Jan=ROWS, Info=[["a", "b"], [1, 2]])
    with pytest.raises(DataError, match="its columns differ"):
        read_files(find_files("n.xlsx"))
    assert read_files(find_files("n.xlsx/Jan.csv")).table.num_rows == 3


def test_a_copy_for_a_prediction_lasts_as_long_as_the_block() -> None:
    path = write("t.xlsx", Sheet1=ROWS)
    with plain_copy(path) as copy:
        assert copy.name == inner_name(path).name == "t.csv"
        assert copy.read_text().startswith("day,area,zip,sold,note\n2024-01-31,12.5,00123,true,\n")
    assert not copy.exists()
    write("m.xlsx", Jan=ROWS, Feb=ROWS)
    with pytest.raises(SourceError, match="has the sheets Jan, Feb"), plain_copy(Path("m.xlsx")):
        pass


def test_damage_is_refused() -> None:
    path = write("t.xlsx", Sheet1=ROWS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="damaged or truncated"):
        find_files(str(path))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="damaged or truncated"):
        find_files(str(path))
