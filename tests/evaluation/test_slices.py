"""Slices hold every row once, and are named after their level or range."""

import numpy as np
import pandas as pd
import pytest

from layerline.errors import ParamsError
from layerline.evaluation.slices import MAX_LEVELS, MISSING, OTHERS, cut_column, cut_rows

COLUMNS = {
    "few levels": (pd.Series(["a", "b", None, "b"] * 30), 3),
    "many levels": (pd.Series([f"level {i % 30}" for i in range(120)]), MAX_LEVELS + 1),
    "numbers": (pd.Series(np.r_[np.arange(110.0), [np.nan] * 10]), 5),
    "few numbers": (pd.Series([1, 2, 2] * 40), 2),
    "as many numbers as levels": (pd.Series(np.arange(120) % MAX_LEVELS), MAX_LEVELS),
    "nullable integers": (pd.Series([*range(110), *[None] * 10], dtype="Int64"), 5),
    "one number": (pd.Series([3.0] * 120), 1),
    "flags": (pd.Series([True, False] * 60), 2),
    "dates": (pd.Series(pd.date_range("2024-01-01", periods=120)).astype("datetime64[us]"), 4),
    "dates of a zone": (pd.Series(pd.date_range("2024-01-01", periods=120, tz="UTC")), 4),
    "skewed": (pd.Series(np.r_[np.zeros(100), np.arange(20)]), 2),
    "mostly one": (pd.Series(np.r_[np.zeros(90), np.arange(30.0)]), 1 + 1),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_row_is_in_one_slice_and_none_is_empty(name: str) -> None:
    column, n_slices = COLUMNS[name]
    found = list(cut_column(column))
    assert (sum(mask.astype(int) for _, mask in found) == 1).all()
    assert all(mask.any() for _, mask in found)
    assert len({level for level, _ in found}) == len(found)
    if name not in ("skewed", "mostly one"):
        assert len(found) == n_slices


def test_levels_are_sorted_by_frequency_and_rare_ones_combined() -> None:
    assert [level for level, _ in cut_column(COLUMNS["few levels"][0])] == ["b", "a", MISSING]
    levels = [level for level, _ in cut_column(COLUMNS["many levels"][0])]
    assert levels[-1] == OTHERS


def test_numbers_are_cut_at_their_quartiles() -> None:
    ranges = list(cut_column(COLUMNS["numbers"][0]))
    assert [level for level, _ in ranges][:2] == ["0 to 27", "27 to 54"]
    assert [int(mask.sum()) for _, mask in ranges] == [28, 27, 27, 28, 10]
    assert next(cut_column(COLUMNS["dates"][0]))[0] == "2024-01-01 to 2024-01-30"


def test_slices_of_several_columns_are_named() -> None:
    frame = pd.DataFrame(
        {"soil": ["clay", "sand", None, "sand"], "wild": [True, True, False, True]}
    )
    names = [part.name for part in cut_rows(frame, ["soil", "wild"], "evaluate.slices")]
    assert names == [
        "soil = sand",
        "soil = clay",
        "soil = (missing)",
        "wild = True",
        "wild = False",
    ]


def test_unknown_columns_are_reported_with_the_closest() -> None:
    frame = pd.DataFrame({"soil": ["clay"], "size": [1]})
    with pytest.raises(
        ParamsError, match=r"gate\.slices\.1: the data have no column 'sol'.*'soil'"
    ):
        cut_rows(frame, ["size", "sol"], "register.gate.slices")
