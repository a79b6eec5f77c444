"""Slices hold every row once, name what is planted, and never an accident of few rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from layerline.config import EvaluateSection
from layerline.errors import ParamsError
from layerline.evaluation.predictions import Predictions, classify
from layerline.evaluation.slices import (
    FEWEST_ROWS,
    GAP,
    MOST_LEVELS,
    OTHERS,
    measure_slices,
    slices_of,
    worst,
)

COLUMNS = {
    "few levels": pd.Series(["a", "b", None, "b"] * 30),
    "many levels": pd.Series([f"level {i % 20}" for i in range(120)]),
    "numbers": pd.Series(np.r_[np.arange(110.0), [np.nan] * 10]),
    "few numbers": pd.Series([1, 2, 2] * 40),
    "one number": pd.Series([3.0] * 120),
    "flags": pd.Series([True, False] * 60),
    "dates": pd.Series(pd.date_range("2024-01-01", periods=120)).astype("datetime64[us]"),
    "skewed": pd.Series(np.r_[np.zeros(100), np.arange(20)]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_row_is_in_one_slice_and_none_is_empty(name: str) -> None:
    found = list(slices_of(COLUMNS[name]))
    assert (sum(mask.astype(int) for _, mask in found) == 1).all()
    assert all(mask.any() for _, mask in found)
    assert len({level for level, _ in found}) == len(found)


def test_levels_come_by_their_count_and_rare_ones_together() -> None:
    assert [level for level, _ in slices_of(COLUMNS["few levels"])] == ["b", "a", GAP]
    levels = [level for level, _ in slices_of(COLUMNS["many levels"])]
    assert len(levels) == MOST_LEVELS + 1
    assert levels[-1] == OTHERS


def test_numbers_are_cut_at_their_quartiles() -> None:
    ranges = list(slices_of(COLUMNS["numbers"]))
    assert [level for level, _ in ranges][:2] == ["0 to 27", "27 to 54"]
    assert [int(mask.sum()) for _, mask in ranges] == [28, 27, 27, 28, 10]
    assert next(slices_of(COLUMNS["dates"]))[0] == "2024-01-01 to 2024-01-30"


def planted(n_rows: int = 600) -> tuple[pd.DataFrame, Predictions]:
    """Classes that are told well, but for the rows of `north`."""
    generator = np.random.default_rng(0)
    place = generator.choice(["north", "south", "west"], n_rows)
    actual = generator.integers(3, size=n_rows)
    skill = np.where(place == "north", 0.0, 4.0)[:, None] * np.eye(3)[actual]
    rows = pd.DataFrame({"place": place, "noise": generator.normal(size=n_rows)})
    return rows, classify(generator.normal(size=(n_rows, 3)) + skill, actual)


def test_the_slice_that_is_worse_is_named_and_no_other() -> None:
    rows, predictions = planted()
    section = EvaluateSection(slices=("place", "noise"), bootstrap=300)
    found = measure_slices(rows, predictions, section, seed=0)
    assert [(s.column, s.level) for s in worst(found)] == [("place", "north")]
    assert [s.column for s in found] == ["place"] * 3 + ["noise"] * 4
    north = next(s for s in found if s.level == "north")
    mask = (rows["place"] == "north").to_numpy()
    p = predictions.take(mask)
    assert north.n_rows == mask.sum()
    assert north.figures["log_loss"].mean == pytest.approx(log_loss(p.actual, p.probabilities))
    assert north.figures["accuracy"].mean == pytest.approx(accuracy_score(p.actual, p.predicted))


def test_a_handful_of_rows_is_never_called_worse() -> None:
    rows, predictions = planted()
    part = np.r_[
        np.flatnonzero(rows["place"] == "north")[: FEWEST_ROWS - 1],
        np.flatnonzero(rows["place"] != "north"),
    ]
    section = EvaluateSection(slices=("place",), bootstrap=200)
    found = measure_slices(rows.iloc[part], predictions.take(part), section, seed=0)
    assert not worst(found)


def test_numbers_are_sliced_by_their_error() -> None:
    size = np.arange(200.0)
    p = Predictions(size, size + np.where(size < 50, 30.0, 1.0))
    section = EvaluateSection(slices=("size",), bootstrap=0)
    found = measure_slices(pd.DataFrame({"size": size}), p, section, seed=0)
    assert [s.figures["mae"].mean for s in found] == [30.0, 1.0, 1.0, 1.0]
    assert [s.is_worse for s in found] == [True, False, False, False]


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    rows, predictions = planted()
    section = EvaluateSection(slices=("place", "noize"))
    with pytest.raises(ParamsError, match=r"evaluate\.slices\.1: 'noize' is no column.*'noise'"):
        measure_slices(rows, predictions, section, seed=0)
