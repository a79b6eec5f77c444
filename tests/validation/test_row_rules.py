"""The glance that spares pandera a column never passes what pandera would find."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.columns.cast import cast_column
from layerline.columns.spec import ColumnSpec
from layerline.validation.pandera_schema import to_pandera
from layerline.validation.row_rules import is_clean

NUMBERS = st.lists(
    st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0, np.nan, np.inf, -np.inf, 1e308]), max_size=6
)
LIMIT = st.sampled_from([None, -3.0, 0.0, 1.0, 2.5])
WORDS = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=6)


def pandera_passes(values: pd.Series, spec: ColumnSpec) -> bool:
    import pandera.pandas as pandera

    try:
        to_pandera([spec]).validate(pd.DataFrame({"x": values}), lazy=True)
    except pandera.errors.SchemaErrors:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(values=NUMBERS, nullable=st.booleans(), low=LIMIT, high=LIMIT)
def test_numbers(
    values: list[float], nullable: bool, low: float | None, high: float | None
) -> None:
    spec = ColumnSpec("x", "number", "float64", nullable, minimum=low, maximum=high)
    cast = cast_column(pd.Series(values, dtype="float64", name="x"), spec)
    assert is_clean(cast, spec) == pandera_passes(cast.values, spec)


@settings(max_examples=100, deadline=None)
@given(values=WORDS, nullable=st.booleans())
def test_categories(values: list[str | None], nullable: bool) -> None:
    spec = ColumnSpec("x", "category", "str", nullable, levels=("a", "b"))
    cast = cast_column(pd.Series(values, dtype="str", name="x"), spec)
    assert is_clean(cast, spec) == pandera_passes(cast.values, spec)


@pytest.mark.parametrize("nullable", [False, True])
def test_whole_numbers_and_truth_with_gaps(nullable: bool) -> None:
    for values, levels, dtype in (
        ([1.0, np.nan], (1, 2), "int64"),
        ([True, None], (False, True), "bool"),
    ):
        spec = ColumnSpec("x", "category", dtype, nullable, levels=levels)  # type: ignore[arg-type]
        cast = cast_column(pd.Series(values, name="x"), spec)
        assert is_clean(cast, spec) is nullable
        assert pandera_passes(cast.values, spec) is nullable
