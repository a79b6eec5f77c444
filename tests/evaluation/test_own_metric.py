"""A metric of the user's own: labels or numbers in, one finite number out."""

import numpy as np
import pytest
from own_project import write_own_code

from layerline.errors import ParamsError
from layerline.evaluation.own_metric import measure_own
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
