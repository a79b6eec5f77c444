"""The worse slice is found, and small slices are never called worse."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from layerline.config import EvaluateSection
from layerline.config.evaluation_sections import ConformalSection
from layerline.errors import ParamsError
from layerline.evaluation.predictions import Predictions, classify
from layerline.evaluation.slice_coverage import low_slices, measure_coverage
from layerline.evaluation.slice_metrics import MIN_ROWS, measure_slices, worst_slices


def planted(n_rows: int = 600) -> tuple[pd.DataFrame, Predictions]:
    """Classes that are predicted well, except for the rows of `north`."""
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
    assert [(s.column, s.level) for s in worst_slices(found)] == [("place", "north")]
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
        np.flatnonzero(rows["place"] == "north")[: MIN_ROWS - 1],
        np.flatnonzero(rows["place"] != "north"),
    ]
    section = EvaluateSection(slices=("place",), bootstrap=200)
    found = measure_slices(rows.iloc[part], predictions.take(part), section, seed=0)
    assert not worst_slices(found)


def test_numbers_are_sliced_by_their_error() -> None:
    size = np.arange(200.0)
    p = Predictions(size, size + np.where(size < 50, 30.0, 1.0))
    section = EvaluateSection(slices=("size",), bootstrap=0)
    found = measure_slices(pd.DataFrame({"size": size}), p, section, seed=0)
    assert [s.figures["mae"].mean for s in found] == [30.0, 1.0, 1.0, 1.0]
    assert [s.is_worse for s in found] == [True, False, False, False]


def test_an_unknown_column_is_reported_with_the_closest() -> None:
    rows, predictions = planted()
    section = EvaluateSection(slices=("place", "noize"))
    with pytest.raises(
        ParamsError, match=r"evaluate\.slices\.1: the data have no column 'noize'.*'noise'"
    ):
        measure_slices(rows, predictions, section, seed=0)


def test_a_slice_that_is_covered_too_seldom_is_named() -> None:
    generator = np.random.default_rng(0)
    place = generator.choice(["north", "south"], 600)
    actual = generator.normal(size=600) * np.where(place == "north", 1.0, 4.0)
    rows = pd.DataFrame({"place": place, "noise": generator.normal(size=600)})
    zeros, bounds = np.zeros(600), np.tile([-2.0, 2.0], (600, 1))
    conformal = ConformalSection(level=0.9, by="place")
    section = EvaluateSection(slices=("noise",), conformal=conformal, bootstrap=200)
    found = measure_coverage(rows, Predictions(actual, zeros, regions=bounds), section, seed=0)
    assert [s.column for s in found] == ["noise"] * 4 + ["place"] * 2
    assert {s.level for s in low_slices(found) if s.column == "place"} == {"south"}
    south = next(s for s in found if s.level == "south")
    inside = np.abs(actual[place == "south"]) <= 2
    assert south.coverage.mean == pytest.approx(inside.mean())
    assert south.coverage.lower < inside.mean() < south.coverage.upper < 0.9
    assert (south.size.mean, south.n_rows) == (4.0, len(inside))


def test_quantiles_are_counted_by_slice_and_other_predictions_are_not() -> None:
    size = np.arange(100.0)
    quantiles = np.stack([size - 1, size, size + np.where(size < 50, 1.0, -1.0)], axis=1)
    p = Predictions(size, size, quantiles=quantiles, levels=(0.1, 0.5, 0.9))
    rows, section = pd.DataFrame({"size": size}), EvaluateSection(slices=("size",), bootstrap=0)
    found = measure_coverage(rows, p, section, seed=0)
    assert [s.coverage.mean for s in found] == [1.0, 1.0, 0.0, 0.0]
    assert {(s.asked, s.is_low) for s in found} == {
        (0.8, False)
    }  # without a bootstrap none is sure
    assert not measure_coverage(rows, Predictions(size, size), section, seed=0)
