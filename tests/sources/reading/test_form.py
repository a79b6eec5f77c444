"""Titles, comments, `sep=;` and encodings around a CSV table change nothing of the table."""

from collections.abc import Callable
from pathlib import Path

import pytest

from layerline.columns.missing import MISSING_WORDS
from layerline.errors import DataError, ParamsError
from layerline.sources.reading.dialect import Dialect
from layerline.sources.reading.reader import read_files

BODY = "area,age,town,price\n" + "".join(f"{i}.5,{i},Lund,{i * 2}\n" for i in range(30))
SEMI = BODY.replace(",", ";")
DECIMAL_COMMAS = "a;b\n" + "".join(f"{i},5;{i},25\n" for i in range(9))

SURROUNDED = {
    "sep=; of a spreadsheet": ("sep=;\r\n" + SEMI.replace("\n", "\r\n"), None),
    "sep=; in quotes": ('"sep=;"\n' + SEMI, None),
    "sep= and a tab": ("sep=\t\n" + BODY.replace(",", "\t"), None),
    "sep=; behind a mark": ("\ufeffsep=;\n" + SEMI, None),
    "a title": ("Sales report\n" + BODY, "'Sales report'"),
    "two titles and a blank line": ("Sales\nMay 2024\n\n" + BODY, "'Sales', 'May 2024'"),
    "a title filled up with separators": ("Sales,,,\n,,,\n" + BODY, "'Sales,,,'"),
    "a title with a comma": ("Sales, May 2024\n" + BODY, "'Sales, May 2024'"),
    "comments": ("# by X, of Y\n# 2024\n" + BODY, "'# by X, of Y', '# 2024'"),
    "blank lines": ("\n\n" + BODY, None),
    "a comment between rows": (BODY.replace("5.5,", "# a note\n5.5,", 1), "comments (#)"),
    "old line ends": ("Title\r" + BODY.replace("\n", "\r"), "'Title'"),
    "UTF-16": ("Title\n" + BODY, "'Title'"),
}


@pytest.mark.parametrize("case", SURROUNDED)
def test_what_surrounds_the_table_is_left_out(case: str, csv_file: Callable[..., Path]) -> None:
    content, note = SURROUNDED[case]
    plain = read_files([csv_file(BODY, "plain.csv")]).table
    read = read_files([csv_file(content.encode("utf-16" if case == "UTF-16" else "utf-8"))])
    assert read.table.equals(plain)
    assert note is None or any(note in said for said in read.notes), read.notes


UNTOUCHED = {
    "a header with #": ("#" + BODY, ["#area", "age", "town", "price"], 30),
    "an index without a name": (",x\n0,1\n1,2\n", ["unnamed_1", "x"], 2),
    "a name with a line end": (
        '"area\nm",age,town,price\n' + BODY.split("\n", 1)[1],
        ["area\nm", "age", "town", "price"],
        30,
    ),
    "decimal commas": (DECIMAL_COMMAS, ["a", "b"], 9),
    "decimal commas below a title": ("Bericht\n" + DECIMAL_COMMAS, ["a", "b"], 9),
    "text alone": ("name,word\nx,foo\ny,bar\n", ["name", "word"], 2),
    "one column": ("x\n1\n2\n", ["x"], 2),
    "values that begin with #": ("color,x\n#fff,1\n#000,2\n", ["color", "x"], 2),
}


@pytest.mark.parametrize("case", UNTOUCHED)
def test_what_is_a_header_stays_one(case: str, csv_file: Callable[..., Path]) -> None:
    content, names, n_rows = UNTOUCHED[case]
    table = read_files([csv_file(content)]).table
    assert table.column_names == names
    assert table.num_rows == n_rows


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n" + "1,2,3\n" * 9, 2),  # as R writes row names: no title
        ("Sales\n" + BODY + "1,2\n", 33),
        ('"Sales"\n' + BODY + '"1",2\n', 33),
        ("Sales\n" + BODY + 'x"y,"\n', 33),
    ],
)
def test_lines_are_counted_from_the_top_of_the_file(
    content: str, line: int, csv_file: Callable[..., Path]
) -> None:
    with pytest.raises(DataError, match=f"line {line}"):
        read_files([csv_file(content)])


TOWNS = {
    "utf-8": "München Łódź 東京",
    "utf-16": "München Łódź 東京",
    "utf-16-le": "Reykjavík and Tromsø",
    "utf-16-be": "Reykjavík and Tromsø",
    "utf-32": "München Łódź 東京",
    "windows-1252": "München Köln Düsseldorf Größe Orléans Málaga Logroño Göteborg",
    "windows-1250": "Łódź Kraków Gdańsk Wrocław Poznań",
    "windows-1251": "Москва Казань Тверь Новосибирск",
    "windows-1253": "Αθήνα Πάτρα Θεσσαλονίκη",
    "windows-1254": "İstanbul Muğla Şırnak Diyarbakır Eskişehir",
    "cp932": "東京 大阪 名古屋 京都",
    "gb18030": "北京 上海 广州 深圳",
    "cp949": "서울 부산 대구",
    "koi8_r": "Москва Казань Тверь Новосибирск",
    "mac_roman": "München Köln Düsseldorf Größe",
}


@pytest.mark.parametrize("encoding", TOWNS)
@pytest.mark.parametrize("n_times", [1, 40])
def test_an_encoding_is_found_and_reported(
    encoding: str, n_times: int, csv_file: Callable[..., Path]
) -> None:
    towns = TOWNS[encoding].split() * n_times
    text = "town,x\n" + "".join(f"{town},{i}\n" for i, town in enumerate(towns))
    read = read_files([csv_file(text.encode(encoding))])
    assert read.table["town"].to_pylist() == towns
    assert bool(read.notes) == (encoding != "utf-8")
    if encoding != "utf-8":
        assert f"read as {encoding}" in read.notes[0]


def test_an_encoding_that_is_set_is_kept(csv_file: Callable[..., Path]) -> None:
    path = csv_file("town,x\nKöln,1\n".encode("cp1252"))
    with pytest.raises(DataError, match="line 2 is not utf-8: it has the byte 0xf6"):
        read_files([path], Dialect(encoding="utf-8"))
    assert read_files([path], Dialect(encoding="cp1252")).table["town"].to_pylist() == ["Köln"]
    assert read_files([path], Dialect(encoding="cp1252")).notes == ()


def test_valid_utf8_outweighs_a_legacy_setting(csv_file: Callable[..., Path]) -> None:
    read = read_files([csv_file("town,x\nKöln,1\n")], Dialect(encoding="windows-1252"))
    assert read.table["town"].to_pylist() == ["Köln"]
    assert "is read as utf-8, which it is" in read.notes[0]
    ascii_only = read_files([csv_file("town,x\nUlm,1\n")], Dialect(encoding="windows-1252"))
    assert ascii_only.notes == ()


def test_a_byte_order_mark_outweighs_the_setting(csv_file: Callable[..., Path]) -> None:
    path = csv_file("town,x\nKöln,1\n".encode("utf-8-sig"))
    read = read_files([path], Dialect(encoding="windows-1252"))
    assert read.table["town"].to_pylist() == ["Köln"]
    assert "is read as utf-8, not as windows-1252" in read.notes[0]


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", "zip"])
def test_what_is_no_encoding_is_refused(encoding: str, csv_file: Callable[..., Path]) -> None:
    with pytest.raises(ParamsError, match="is unknown; try utf-8"):
        read_files([csv_file("a,b\n1,2\n")], Dialect(encoding=encoding))


@pytest.mark.parametrize(
    ("header", "is_doubtful"),
    [
        ("57.3,3,Lund", True),
        ("3,12,1", True),
        ("0,1,2", False),
        ("2019,2020,2021", False),
        ("a,1.5 mg,2", False),
    ],
)
def test_a_header_that_looks_like_a_row_is_reported(
    header: str, is_doubtful: bool, csv_file: Callable[..., Path]
) -> None:
    read = read_files([csv_file(header + "\n" + "1.5,2,x\n2.5,3,y\n" * 5)])
    assert read.table.column_names == header.split(",")
    assert any("and looks like a row" in note for note in read.notes) == is_doubtful


@pytest.mark.parametrize("word", MISSING_WORDS)
def test_a_word_for_a_missing_value_is_one_in_numbers_dates_and_truths(
    word: str, csv_file: Callable[..., Path]
) -> None:
    rows = "".join(f"{n}.5,2024-01-{n:02},{n % 2 == 0},w{n % 3}\n" for n in range(1, 29))
    table = read_files(
        [csv_file(f"number,day,truth,text\n{rows}{word},{word},{word},{word}\n")]
    ).table
    found = [str(kind) for kind in table.schema.types]
    assert (found[0], found[2], found[3]) == ("double", "bool", "string")
    assert found[1].startswith("timestamp")
    assert [table[name].null_count for name in ("number", "day", "truth")] == [1, 1, 1]
    assert table["text"].null_count == (word == "")
