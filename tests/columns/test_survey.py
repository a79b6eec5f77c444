"""Columns of text get the one type that all fields have; no value changes without a word."""

import math
from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.columns.convert import parse_column
from layerline.columns.missing import MISSING_WORDS


def parse(fields: list[str | None]) -> tuple[str, list[object]]:
    parsed = parse_column(pa.chunked_array([pa.array(fields, pa.string())]))
    return str(parsed.values.type), parsed.values.to_pylist()


@pytest.mark.parametrize(
    ("fields", "kind", "values"),
    [
        (["1", "-2", " 3 "], "int64", [1, -2, 3]),
        (["1", None, "NA"], "int64", [1, None, None]),
        (["1", "2.5", "1e3"], "double", [1.0, 2.5, 1000.0]),
        (["1", "-inf"], "double", [1.0, -math.inf]),
        (["-0"], "double", [-0.0]),
        (["00123", "5"], "string", ["00123", "5"]),
        (["+5", "6"], "int64", [5, 6]),
        (["1,5"], "string", ["1,5"]),
        (["1", "two"], "string", ["1", "two"]),
        (["NA", "DE", "NA"], "string", ["NA", "DE", "NA"]),
        (["NA", "NA"], "string", ["NA", "NA"]),
        (["inf", "nan"], "string", ["inf", "nan"]),
        ([str(2**63 - 1)], "int64", [2**63 - 1]),
        ([str(2**63)], "string", [str(2**63)]),
        ([str(2**53 + 1), None], "string", [str(2**53 + 1), None]),
        (["true", "FALSE", None], "bool", [True, False, None]),
        (["true", "yes"], "string", ["true", "yes"]),
        (["2024-02-29", "NA"], "timestamp[us]", [datetime(2024, 2, 29), None]),
        (["2023-02-29"], "string", ["2023-02-29"]),
        (["2024-02-29T10:00:00Z"], "timestamp[us]", [datetime(2024, 2, 29, 10)]),
        (
            ["2024-02-29", "2024-02-29T10:00+01:30"],
            "timestamp[us]",
            [datetime(2024, 2, 29), datetime(2024, 2, 29, 8, 30)],
        ),
        ([None, None], "double", [None, None]),
    ],
)
def test_types(fields: list[str | None], kind: str, values: list[object]) -> None:
    assert parse(fields) == (kind, values)


FIELDS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(repr),
    st.from_regex(r"[-+]?0{0,2}[0-9]{0,3}(\.[0-9]{0,3})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["true", "FALSE", "2024-01-31", "2024-02-30 10:00", *MISSING_WORDS]),
    st.text(max_size=5),
).filter(bool)


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELDS, min_size=1, max_size=6))
def test_no_field_changes_its_value(fields: list[str]) -> None:
    parsed = parse_column(pa.chunked_array([pa.array(fields, pa.string())]))
    told = {*parsed.too_large, *parsed.too_small}
    for row, (field, value) in enumerate(zip(fields, parsed.values.to_pylist(), strict=True)):
        if isinstance(value, bool):
            assert field.strip().lower() == str(value).lower()
        elif isinstance(value, int):
            assert field.strip().removeprefix("+") == str(value)
        elif isinstance(value, float):
            assert row in told or value == float(field)
            assert row in told or math.isinf(value) == ("inf" in field.lower())
        elif isinstance(value, datetime):
            assert value == datetime.fromisoformat(field.strip())
        elif value is None:
            assert field.strip() in MISSING_WORDS
        else:
            assert value == field
