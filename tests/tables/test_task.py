from typing import Any

import pandas as pd
import pytest

from layerline.errors import DataError
from layerline.tables.task import resolve_task


@pytest.mark.parametrize(
    ("values", "asked", "task"),
    [
        (["a", "b"] * 5, "auto", "binary"),
        (["a", "b", "c"] * 5, "auto", "multiclass"),
        ([True, False] * 5, "auto", "binary"),
        ([0, 1] * 5, "auto", "binary"),
        ([0.0, 1.0, None] * 5, "auto", "binary"),
        ([0, 1, 2] * 5, "auto", "multiclass"),
        (list(range(20)) * 3, "auto", "multiclass"),
        (list(range(20)) * 2, "auto", "regression"),
        (list(range(21)) * 30, "auto", "regression"),
        ([0.5, 1.5] * 5, "auto", "regression"),
        ([0, 1, 2] * 5, "regression", "regression"),
        (list(range(30)), "multiclass", "multiclass"),
    ],
)
def test_task(values: list[Any], asked: Any, task: str) -> None:
    found, reason = resolve_task(pd.Series(values, name="y"), asked)
    assert found == task
    assert "'y'" in reason
    assert reason.endswith(".")


@pytest.mark.parametrize(
    ("values", "asked", "message"),
    [
        (["a", "b"], "regression", "regression needs numbers"),
        (["a", "b", "c"], "binary", "binary needs exactly two classes"),
        ([0, 1], "multiclass", "set it to regression or binary or auto"),
        ([0.5, 1.5, 2.5], "multiclass", "numbers with decimals"),
        ([1, 1], "auto", "only the value 1; there is nothing to learn"),
        ([1.5, 1.5], "auto", r"only the value 1\.5; there is nothing to learn"),
        ([None, None], "auto", "no value at all"),
        ([f"id{i}" for i in range(30)], "auto", "an identifier"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]).tolist(), "auto", "holds dates"),
    ],
)
def test_impossible(values: list[Any], asked: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        resolve_task(pd.Series(values, name="y"), asked)
    assert caught.value.exit_code == 3


def test_text_that_is_almost_numbers_is_reported() -> None:
    values = pd.Series([*(f"{n},5" for n in range(40)), "EUR"], name="y")
    with pytest.raises(DataError, match="numbers, but for 'EUR': correct that at the source"):
        resolve_task(values)
    grades = pd.Series(["1,0", "1,3", "1,7", "k.A."] * 10, name="y")
    assert "perhaps numbers, but for 'k.A.'" in resolve_task(grades)[1]
    for words in (["007", "12", "15"], ["low", "high", "5"], ["1", "2"]):
        assert "perhaps" not in resolve_task(pd.Series(words * 10, name="y"))[1]


def test_with_a_schema_a_class_too_many_is_left_to_validation() -> None:
    labels = pd.Series(["a", "b"] * 9 + ["c"], name="y")
    with pytest.raises(DataError, match="binary needs exactly two classes"):
        resolve_task(labels, "binary")
    task, reason = resolve_task(labels, "binary", has_schema=True)
    assert (task, "3 distinct values (a, b, c)" in reason) == ("binary", True)
    with pytest.raises(DataError, match="regression needs numbers"):
        resolve_task(labels, "regression", has_schema=True)
