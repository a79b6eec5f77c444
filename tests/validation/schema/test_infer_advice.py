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
