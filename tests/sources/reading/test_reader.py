"""CSV files: what is written comes back, whatever the quotes, separators and encodings."""

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.errors import LayerlineError, ParamsError
from layerline.sources.reading.delimited import read_fields
from layerline.sources.reading.dialect import Dialect
from layerline.sources.reading.form import find_form
from layerline.sources.reading.limits import FILES, Meter
from layerline.sources.reading.paths import find_files
from layerline.sources.reading.reader import read_files, read_frame

CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=6
)


BOUNDED = settings(max_examples=200, deadline=None)


@BOUNDED
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_fields_come_back(
    rows: list[list[str]], separator: str, encoding: str, line_end: str
) -> None:
    stream = io.StringIO()
    # Python leaves a lone carriage return unquoted, where it ends the line.
    quoting = csv.QUOTE_ALL if "\r" in "".join(map("".join, rows)) else csv.QUOTE_MINIMAL
    writer = csv.writer(stream, delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writerows([["a", "b", "c"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(stream.getvalue().encode(encoding))
        table, _ = read_fields(path, Dialect(separator, encoding.removesuffix("-sig")))
    assert [list(row.values()) for row in table.to_pylist()] == [
        [cell or None for cell in row] for row in rows
    ]


@BOUNDED
@given(
    st.one_of(st.binary(max_size=60), st.text('ab,;"\n\r 1.', max_size=40).map(str.encode)),
)
def test_any_bytes_give_the_same_cells_as_python_or_one_message(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        try:
            table, _ = read_fields(path, Dialect(","))
        except LayerlineError:
            return
        form, _, _ = find_form(path, Dialect(","), Meter(FILES, "t"))
    text = io.StringIO(content.decode(form.codec), newline="")
    for _ in range(form.n_skipped):
        text.readline()
    records = list(csv.reader(text, strict=True))[1:]
    records = [record or [""] for record in records if record or table.num_columns == 1]
    assert [[cell or "" for cell in row.values()] for row in table.to_pylist()] == records


def test_separator_is_found_and_reported(csv_file: Callable[..., Path]) -> None:
    read = read_files([csv_file("a;b\n1,5;x\n")])
    assert read.table.to_pylist() == [{"a": 1.5, "b": "x"}]
    assert "separated by ';'" in read.notes[0]


def test_unnamed_column_gets_a_name_and_is_reported(csv_file: Callable[..., Path]) -> None:
    read = read_files([csv_file(",b\n0,x\n")])
    assert read.table.column_names == ["unnamed_1", "b"]
    assert "unnamed_1" in read.notes[0]


def test_options_missing_and_text(csv_file: Callable[..., Path]) -> None:
    path = csv_file("a,zip\n?,12\n3,34\n")
    read = read_files([path], Dialect(missing=("?",)), ["zip"])
    assert read.table.to_pylist() == [{"a": None, "zip": "12"}, {"a": 3, "zip": "34"}]


def test_a_column_of_one_keeps_its_gaps(csv_file: Callable[..., Path]) -> None:
    assert read_frame(csv_file("a\n1\n\n3\n"))["a"].isna().tolist() == [False, True, False]


def test_csv_and_parquet_together_are_refused(csv_file: Callable[..., Path]) -> None:
    paths = [str(csv_file("a\n1\n")), str(csv_file(b"", "t.parquet"))]
    with pytest.raises(ParamsError, match="both CSV and Parquet"):
        find_files(paths)


def test_quotes_of_names_alone_need_no_second_look_at_the_rows(
    csv_file: Callable[..., Path],
) -> None:
    for before in ("", 'title "of" it\n', "sep=,\n"):
        path = csv_file(f'{before}"a, b","c"\n1,2\n3,4\n')
        _, scanned, _ = find_form(path, Dialect(), Meter(FILES, str(path)))
        assert scanned.last_quote == len(before) + 9
        assert read_frame(path).to_dict("list") == {"a, b": [1, 3], "c": [2, 4]}
    with pytest.raises(LayerlineError, match="close each quote"):
        read_frame(csv_file('"a","b"\n1,2\n3,"4\n'))
    assert read_frame(csv_file('"a\nb","c"\n1,2\n')).to_dict("list") == {"a\nb": [1], "c": [2]}
