"""Rows of a database: what Arrow holds is what the driver gave, or one message."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from damage import fuzz
from hypothesis import given
from hypothesis import strategies as st

from layerline.errors import LayerlineError
from layerline.sources.reading.records import column_of

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
