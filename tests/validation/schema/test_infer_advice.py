"""What init says of columns that look like numbers and are not."""

import pandas as pd

from layerline.validation.schema.infer import advice, infer_schema


def sentences(values: list[str]) -> list[str]:
    frame = pd.DataFrame({"zip": values, "y": range(len(values))})
    return advice(frame, infer_schema(frame, "y", "regression"))


def test_leading_zeros_are_no_missing_value() -> None:
    (found,) = sentences(["01069", "04109", "10115", "80331", "90402"] * 20)
    assert "leading zeros ('01069')" in found
    assert "missing" not in found


def test_a_word_among_numbers_may_be_a_missing_value() -> None:
    (found,) = sentences(["12", "15.5", "unknown", "18", "20"] * 20)
    assert "if 'unknown' mean a missing value" in found


def test_an_order_number_is_not_learnt_from() -> None:
    numbers = pd.Series(range(100)) * 3 + 10_004
    for name, values, is_used in (
        ("order_no", numbers.sample(frac=1, random_state=0).to_numpy(), False),
        ("customer_id", numbers.to_numpy(), False),
        ("population", numbers.to_numpy(), True),  # not named as an identifier
        ("house_number", (numbers % 50).to_numpy(), True),  # comes again
    ):
        frame = pd.DataFrame({name: values, "size": [1.5, 2.5] * 50, "y": range(100)})
        schema = infer_schema(frame, "y", "regression")
        assert schema[name].use is is_used, name
        assert bool(advice(frame, schema)) is not is_used
        if not is_used:
            assert f"column {name!r} is not used: it only numbers the rows" in advice(frame, schema)
