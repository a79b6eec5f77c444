"""What init says of columns that look like numbers and are not."""

import numpy as np
import pandas as pd
import pytest

from layerline.columns.kinds import infer
from layerline.validation.schema.advice import advice
from layerline.validation.schema.infer import infer_schema


def sentences(values: list[str]) -> list[str]:
    frame = pd.DataFrame({"zip": values, "y": range(len(values))})
    return advice(frame, infer_schema(frame, "y", "regression"))


def test_blank_text_is_missing_in_the_schema_as_it_is_when_it_is_read() -> None:
    for blank in ("", "  ", None):
        spec = infer(pd.Series(["a", "b ", blank, "b"] * 5, dtype="str"), "soil")
        assert (spec.nullable, spec.levels) == (True, ("a", "b"))
    assert not infer(pd.Series(["a", "b "] * 5, dtype="str"), "soil").nullable


def test_leading_zeros_are_no_missing_value() -> None:
    (found,) = sentences(["01069", "04109", "10115", "80331", "90402"] * 20)
    assert "leading zeros ('01069')" in found
    assert "missing" not in found


def test_a_word_among_numbers_may_be_a_missing_value() -> None:
    (found,) = sentences(["12", "15.5", "unknown", "18", "20"] * 20)
    assert "though 80% of its values are numbers; if 'unknown' means a missing value" in found


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([*(f"<{n}" for n in range(9)), *map(str, range(30))], "write them as numbers"),
        (["1.5k", "2M", *(f"{n}k" for n in range(30))], "neither numbers nor dates"),
        ([f"{n // 60:02}:{n % 60:02}" for n in range(50)], "neither numbers nor dates"),
        ([f"{n} m" for n in range(30)] + ["5 cm"], "its numbers are not written in one way"),
        (["1.234,5", "1,234.5"] * 20, "its numbers are not written in one way"),
        (["31/12/2024", "12/31/2024"] * 20, "its dates are not written in one way"),
        (["k.A.", *(f"{n},5" for n in range(30))], "if 'k.A.' means a missing value"),
        (["0000-00-00", *(f"2024-01-{n:02}" for n in range(1, 30))], "though 97% of its values"),
    ],
)
def test_text_that_looks_like_something_else_is_reported(values: list[str], sentence: str) -> None:
    assert sentence in sentences(values)[0]


def test_codes_and_words_are_what_they_seem() -> None:
    for values in (["S1", "S2", "B7"] * 20, ["10-19", "20-29"] * 20, ["Graz", "Lund"] * 20):
        assert sentences(values) == []


def test_numbers_that_may_be_dates_or_postcodes_are_reported() -> None:
    codes = [10_115, 80_331, 90_402, 50_667] * 15
    frame = pd.DataFrame(
        {"plz": codes, "ts": range(20_240_101, 20_240_131), "y": range(60)[:30]}
        | {"plz": codes[:30]}
    )
    found = advice(frame, infer_schema(frame, "y", "regression"))
    assert "`--text plz`" in found[0]
    assert "`--dates ts=yyyymmdd`" in found[1]


def test_numbers_that_rise_from_row_to_row_are_reported() -> None:
    frame = pd.DataFrame({"bought": np.arange(100) * 3 + 10_004, "y": range(100)})
    schema = infer_schema(frame, "y", "regression")
    assert schema["bought"].use
    assert "numbers or names the rows; write use: false" in advice(frame, schema)[0]


def test_an_order_number_is_not_learnt_from() -> None:
    numbers = pd.Series(range(100)) * 3 + 10_004
    for name, values, is_used in (
        ("order_no", numbers.sample(frac=1, random_state=0).to_numpy(), False),
        ("customer_id", numbers.to_numpy(), False),
        ("orderNumber", numbers.to_numpy(), False),
        ("population", numbers.sample(frac=1, random_state=0).to_numpy(), True),
        ("house_number", (numbers % 50).to_numpy(), True),  # comes again
    ):
        frame = pd.DataFrame({name: values, "size": [1.5, 2.5] * 50, "y": range(100)})
        schema = infer_schema(frame, "y", "regression")
        assert schema[name].use is is_used, name
        assert bool(advice(frame, schema)) is not is_used
        if not is_used:
            assert f"column {name!r} is not used: it only numbers the rows" in advice(frame, schema)


def test_a_target_with_gaps_or_rare_classes_is_reported() -> None:
    frame = pd.DataFrame({"x": [0, 1] * 20, "y": [1.5, None, None, 2.5] * 10})
    (found,) = advice(frame, infer_schema(frame, "y", "regression"))
    assert "'y' has 20 missing values: `dvc repro` ends at such rows" in found
    kinds = ["a"] * 20 + ["b"] * 17 + ["c"] * 3
    frame = pd.DataFrame({"x": [0, 1] * 20, "y": pd.array(kinds, "str")})
    assert advice(frame, infer_schema(frame, "y", "multiclass")) == []
    kinds[-1] = "once"
    frame = pd.DataFrame({"x": [0, 1] * 20, "y": pd.array(kinds, "str")})
    (found,) = advice(frame, infer_schema(frame, "y", "multiclass"))
    assert "classes of fewer than 3 rows ('c', 'once')" in found


def test_levels_that_look_alike_are_reported() -> None:
    cities = ["Graz", "graz", "caf\u00e9", "cafe\u0301", "Lund"] * 8
    frame = pd.DataFrame({"city": pd.array(cities, "str"), "y": range(40)})
    (found,) = advice(frame, infer_schema(frame, "y", "regression"))
    assert "column 'city' has levels that differ only in case" in found
    assert "'Graz' and 'graz'" in found
    assert "Lund" not in found
