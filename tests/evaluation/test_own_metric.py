"""A metric of the user's own: labels or numbers in, one finite number out."""

import dataclasses

import numpy as np
import pytest
from own_project import write_own_code

from layerline.config import EvaluateSection
from layerline.errors import ParamsError
from layerline.evaluation.bootstrap import metric_intervals
from layerline.evaluation.own_metric import all_intervals, measure_own
from layerline.evaluation.predictions import Predictions

CLASSES = Predictions(np.array([0, 1, 1, 0]), np.array([1, 1, 0, 0]))
NUMBERS = Predictions(np.array([1.0, 4.0]), np.array([1.5, 2.0]))


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    write_own_code(tmp_path)
    monkeypatch.chdir(tmp_path)


def measure(name, predictions=CLASSES, classes=("a", "b")):
    return measure_own([f"mine.metrics:{name}"], "test", predictions, classes)


def test_it_sees_labels_and_numbers_in_their_unit():
    assert measure("cost") == {"cost": 1.5}
    assert measure("largest_error", NUMBERS, None) == {"largest_error": 2.0}
    assert measure_own((), "test", NUMBERS, None) == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("undefined", "gives nan for the test rows; it must give a finite number"),
        ("two", "gives list for the test rows; it must give a number"),
        ("fails", "cannot be computed on the test rows: ZeroDivisionError"),
        ("absent", r"mine/metrics\.py has no function absent; write `def NAME\(y_true, y_pred\)"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(name, message):
    with pytest.raises(ParamsError, match=rf"evaluate\.metrics: mine\.metrics:{name}: {message}"):
        measure(name)


def test_its_interval_is_of_the_resamples_of_other_metrics():
    """Rows of a group are drawn together, and weights, which it does not know, change nothing."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1], 90)
    rows = Predictions(
        random.integers(0, 2, 90),
        probabilities.argmax(axis=1),
        probabilities,
        groups=np.arange(90) // 2,
    )
    section = EvaluateSection(metrics=("mine.metrics:hits",), bootstrap=300)
    values = {"hits": measure("hits", rows)["hits"]}
    found = all_intervals(values, rows, ("a", "b"), section, 3)
    assert found.pop("hits") == found["accuracy"]
    assert found == metric_intervals(rows, 300, 0.95, 3)
    weighted = dataclasses.replace(rows, weights=random.uniform(1, 2, 90))
    again = all_intervals(values, weighted, ("a", "b"), section, 3)
    assert (again["hits"], again["accuracy"] == again["hits"]) == (found["accuracy"], False)
    without = dataclasses.replace(section, bootstrap=0)
    assert all_intervals(values, rows, ("a", "b"), without, 3) == {}


def test_resamples_on_which_it_is_undefined_are_left_out():
    section = EvaluateSection(metrics=("mine.metrics:rare",), bootstrap=200)
    few = dataclasses.replace(
        CLASSES, actual=np.array([0, 0, 1, 0]), probabilities=np.eye(2)[CLASSES.predicted]
    )
    found = all_intervals({"rare": 0.0}, few, ("a", "b"), section, 0)["rare"]
    assert (found.lower, found.upper) == (0, 0)  # the one row of b is never found
    numbers = Predictions(np.arange(12.0), np.arange(12.0))
    section = EvaluateSection(metrics=("mine.metrics:all_different",), bootstrap=200)
    found = all_intervals({"all_different": 1.0}, numbers, None, section, 0)
    assert "rmse" in found
    assert "all_different" not in found
