"""CSV and JSON lines: what is accepted is what csv and json read, whatever the bytes."""

import csv
import io
import json
import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from damage import damaged, fuzz, on_disk
from dateutil.parser import parse
from hypothesis import given
from hypothesis import strategies as st

from layerline.columns.missing import MISSING_WORDS
from layerline.errors import LayerlineError
from layerline.sources.reading.dialect import USUAL
from layerline.sources.reading.form import find_form
from layerline.sources.reading.limits import FILES, Meter
from layerline.sources.reading.reader import read_files

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


_START = datetime(1, 1, 1)  # a month alone is its first day


def is_written_so(value: Any, field: str) -> bool:
    """Whether a value is what a field of text says."""
    plain = field.strip()
    if value is None:
        return plain in MISSING_WORDS
    if isinstance(value, bool):
        return plain.lower() in (str(value).lower(), str(int(value)))  # 1 and 0 beside words
    if isinstance(value, int | float):
        return _is_number_so(value, plain)
    if isinstance(value, datetime):
        return any(value == parse(plain, dayfirst=first, default=_START) for first in (False, True))
    return bool(value == field)


def _is_number_so(value: float, plain: str) -> bool:
    try:
        number = int(plain) if isinstance(value, int) else float(plain)
    except ValueError:
        # A number as people write it, with a unit or a sign between its digits: the same digits.
        return _digits(plain) == _digits(f"{Decimal(repr(value)):f}")
    return number == value and math.isinf(value) == ("inf" in plain.lower())


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text).strip("0")


def lines_of(text: str) -> list[str]:
    return list(io.StringIO(text, newline=""))


@fuzz(5)
@given(damaged(csv_files()) | st.binary(max_size=80))
def test_csv(content: bytes) -> None:
    with on_disk("t.csv", content) as path:
        try:
            table = read_files([path]).table
        except LayerlineError:
            return
        form, _, _ = find_form(path, USUAL, Meter(FILES, "t"))
    text = "".join(lines_of(content.decode(form.codec))[form.n_skipped :])
    found = [list(row.values()) for row in table.to_pylist()]
    for separator in ",;\t|":
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))[1:]
        records = [record or [""] for record in records if record or table.num_columns == 1]
        width = table.num_columns
        records = [row for row in records if len(row) == width or not row[0].startswith("#")]
        if all(len(record) == table.num_columns for record in records):
            break
    assert len(records) == len(found)
    for row, record in zip(found, records, strict=True):
        assert all(map(is_written_so, row, record)), (row, record)


JSON = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats()),
    *(st.text(max_size=4), st.sampled_from(["NA", "00123", "2024-02-29", ""]), st.just([1])),
)


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    rows = draw(
        st.lists(
            st.dictionaries(st.sampled_from(["a", "b", "é", "\ud800"]), JSON, max_size=3),
            max_size=4,
        )
    )
    plain = draw(st.booleans())
    return "".join(f"{json.dumps(row, ensure_ascii=plain)}\n" for row in rows).encode(
        "utf-8", "replace"
    )


@fuzz(4)
@given(damaged(json_files()) | st.text('{}[]":,\n\\ae1.-tfn0Nud8', max_size=40).map(str.encode))
def test_json_lines(content: bytes) -> None:
    with on_disk("t.jsonl", content) as path:
        try:
            rows = read_files([path]).table.to_pylist()
        except LayerlineError:
            return
    if content.lstrip().startswith(b"["):
        return  # a list of objects, which has its own tests
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
