"""Curves are scikit-learn's; tables of mistakes hold the right rows."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference

from layerline.evaluation.curves import (
    MAX_POINTS,
    calibration_curve,
    decile_curve,
    ranking_curves,
    threshold_curve,
    write_curve,
)
from layerline.evaluation.predictions import Predictions, classify
from layerline.evaluation.worst_predictions import tabulate_worst, worst_rows


def drawn(n_classes, n_rows=150, seed=0):
    generator = np.random.default_rng(seed)
    actual = generator.integers(n_classes, size=n_rows)
    return classify(generator.normal(size=(n_rows, n_classes)) + np.eye(n_classes)[actual], actual)


def scores(p):
    if p.probabilities.shape[1] == 2:
        return p.actual == 1, p.probabilities[:, 1]
    return np.eye(p.probabilities.shape[1])[p.actual].ravel(), p.probabilities.ravel()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_area_under_the_curves_is_scikit_learns(n_classes):
    p = drawn(n_classes, n_rows=150 if n_classes == 2 else 400)
    roc, pr = ranking_curves(p)
    x, y = roc["false_positive_rate"], roc["true_positive_rate"]
    assert (np.diff(x) >= 0).all()
    assert len(x) <= MAX_POINTS
    assert np.trapezoid(y, x) == pytest.approx(reference.roc_auc_score(*scores(p)), abs=2e-3)
    area = np.sum(np.diff(pr["recall"], prepend=0) * pr["precision"])
    assert area == pytest.approx(reference.average_precision_score(*scores(p)), abs=1e-2)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_thresholds_have_scikit_learns_precision_and_recall():
    p = drawn(2)
    curve = threshold_curve(p)
    for place in (20, 50, 70):
        chosen = p.probabilities[:, 1] >= curve["threshold"][place]
        for name in ("precision", "recall", "f1"):
            wanted = getattr(reference, f"{name}_score")(p.actual, chosen, zero_division=0.0)
            assert curve[name][place] == pytest.approx(wanted)


def test_with_more_classes_a_threshold_says_which_rows_are_decided():
    p = drawn(4)
    curve = threshold_curve(p)
    confidence = p.probabilities.max(axis=1)
    right = p.actual == p.predicted
    assert curve["recall"][0] == curve["precision"][0] == pytest.approx(right.mean())
    decided = confidence >= curve["threshold"][45]
    assert curve["precision"][45] == pytest.approx(right[decided].mean())
    assert curve["recall"][45] == pytest.approx((right & decided).mean())


def test_calibration_bins_hold_all_rows_and_their_means():
    curve = calibration_curve(drawn(2))
    assert curve["rows"].sum() == 150
    p = drawn(2)
    overall = (curve["observed"] * curve["rows"]).sum() / 150
    assert overall == pytest.approx((p.actual == 1).mean())
    assert ((curve["predicted"] >= 0) & (curve["predicted"] <= 1)).all()


@pytest.mark.parametrize("n_rows", [4, 95])
def test_tenths_are_of_the_predictions(n_rows):
    predicted = np.arange(float(n_rows))
    curve = decile_curve(Predictions(predicted - 2.0, predicted))
    assert (curve["mae"] == 2).all()
    assert (curve["bias"] == 2).all()
    assert (np.diff(curve["predicted"]) > 0).all()
    assert len(curve["decile"]) == min(10, n_rows)


def test_a_curve_is_a_csv_with_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_curve(tmp_path / name, decile_curve(Predictions(np.arange(9.0), np.ones(9))))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert list(pd.read_csv(tmp_path / "a")) == ["decile", "predicted", "mae", "bias"]


def test_the_most_confidently_wrong_come_first():
    p = Predictions(
        np.array([0, 0, 1, 1]),
        np.array([0, 1, 0, 0]),
        np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.7, 0.3]]),
    )
    chosen = worst_rows(p)
    assert chosen.tolist() == [2, 3, 1]
    raw = pd.DataFrame({"size": [1, 2, 3, 4], "actual": list("wxyz")})
    found = tabulate_worst(p, chosen, ("no", "yes"), np.array([10, 11, 12, 13]), raw)
    assert found["row"].tolist() == [13, 14, 12]
    assert found["actual"].tolist() == ["yes", "yes", "no"]
    assert found["predicted"].tolist() == ["no", "no", "yes"]
    assert found["probability"].tolist() == [0.8, 0.7, 0.6]
    assert found["size"].tolist() == [3, 4, 2]
    assert found["actual (column)"].tolist() == ["y", "z", "x"]


def test_of_numbers_the_largest_errors_come_first():
    p = Predictions(np.array([1.0, 5.0, 9.0]), np.array([1.5, -5.0, 9.1]))
    assert worst_rows(p, limit=2).tolist() == [1, 0]
    found = tabulate_worst(p, worst_rows(p), None, np.arange(3), pd.DataFrame(index=range(3)))
    assert found["error"].tolist() == pytest.approx([-10.0, 0.5, 0.1])


def test_no_error_is_an_empty_table():
    p = Predictions(np.array([1]), np.array([1]), np.array([[0.1, 0.9]]))
    table = tabulate_worst(p, worst_rows(p), ("a", "b"), np.arange(1), pd.DataFrame({"x": [1]}))
    assert table.empty
