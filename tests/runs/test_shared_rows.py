import dataclasses

import numpy as np
import pandas as pd
import pytest
from labs import numbers, predictions

from layerline.evaluation.bootstrap import interval, paired_gain
from layerline.evaluation.metrics import CLASSIFICATION, LOWER_IS_BETTER, REGRESSION, measure
from layerline.evaluation.predictions import Predictions
from layerline.runs.shared_rows import Resampling, pair

DRAWN = Resampling(n_resamples=200, confidence=0.9, seed=3)
CLASSES = ["cat", "dog", "eel"]


def classified(tmp_path, rows, skill, seed=0):
    return pd.read_parquet(predictions(tmp_path / "p.parquet", rows, skill, seed))


def as_predictions(table):
    order = {name: number for number, name in enumerate(CLASSES)}
    actual, predicted = (table[name].map(order).to_numpy() for name in ("actual", "prediction"))
    columns = [f"probability_{name}" for name in CLASSES]
    return Predictions(actual, predicted, table[columns].to_numpy())


def test_figures_are_those_of_evaluation(tmp_path):
    first = classified(tmp_path, range(200), skill=1.0)
    second = classified(tmp_path, range(200), skill=2.0, seed=1)
    found = pair([first, second], DRAWN)
    assert (found.n_rows, found.n_test_rows, found.notes) == (200, (200, 200), ())
    known = [as_predictions(table) for table in (first, second)]
    for number, one in enumerate(known):
        values = {name: figures[number].value for name, figures in found.figures.items()}
        assert values == pytest.approx(measure(one))
        loss = interval(one.row_losses("log_loss"), 200, 0.9, 3)
        assert dataclasses.astuple(found.figures["log_loss"][number]) == pytest.approx(
            dataclasses.astuple(loss)
        )
    for name, sign in (("log_loss", -1), ("accuracy", 1)):
        gain = paired_gain(*known, metric=name, n_resamples=200, confidence=0.9, seed=3)
        difference = found.differences[name][1]
        assert sign * difference.value == pytest.approx(gain.mean)
        bounds = sorted(sign * bound for bound in (difference.lower, difference.upper))
        assert bounds == pytest.approx([gain.lower, gain.upper])
        assert difference.verdict == "better"
    assert found.differences["accuracy"][0] is None


def test_every_figure_that_evaluation_knows_has_its_interval(tmp_path):
    classes = [classified(tmp_path, range(80), skill, seed) for seed, skill in ((0, 0.5), (1, 3.0))]
    values = [
        pd.read_parquet(numbers(tmp_path / "n.parquet", range(1, 90), noise))
        for noise in (9.0, 2.0)
    ]
    for tables, known in ((classes, CLASSIFICATION), (values, REGRESSION)):
        found = pair(tables, DRAWN)
        assert set(found.differences) == set(found.figures) == set(known)
        for name in known:
            first, second = found.figures[name]
            assert first.lower <= first.upper, name
            difference = found.differences[name][1]
            assert difference.value == pytest.approx(second.value - first.value)
            assert (difference.verdict == "better") == (
                difference.upper < 0 if name in LOWER_IS_BETTER else difference.lower > 0
            ), name
    assert found.differences["median_error"][1].verdict == "better"


def test_the_order_of_rows_does_not_matter(tmp_path):
    first = classified(tmp_path, range(100), skill=1.0)
    second = classified(tmp_path, range(100), skill=2.0, seed=1)
    shuffled = second.sample(frac=1, random_state=0)
    assert pair([first, shuffled], DRAWN) == pair([first, second], DRAWN)


def test_only_shared_rows_count(tmp_path):
    first = classified(tmp_path, range(100), skill=1.0)
    second = classified(tmp_path, range(60, 200), skill=1.0, seed=1)
    found = pair([first, second], DRAWN)
    assert (found.n_rows, found.n_test_rows) == (40, (100, 140))
    alone = pair([first[60:], second[:40]], DRAWN)
    assert (found.figures, found.differences) == (alone.figures, alone.differences)


def test_the_same_predictions_are_equal_and_a_coin_decides_nothing(tmp_path):
    first = classified(tmp_path, range(100), skill=0.0)
    other = classified(tmp_path, range(100), skill=0.0, seed=1)
    found = pair([first, first.copy(), other], DRAWN)
    assert [found.differences[name][1].verdict for name in ("accuracy", "log_loss")] == [
        "equal",
        "equal",
    ]
    assert found.differences["log_loss"][2].verdict == "could be chance"


def test_a_regression_is_worse_by_its_rmse(tmp_path):
    first = pd.read_parquet(numbers(tmp_path / "a.parquet", range(150), noise=10.0))
    second = pd.read_parquet(numbers(tmp_path / "b.parquet", range(150), noise=30.0))
    # Each run decodes the truth from its own float32: no reason to leave a row out.
    second["actual"] *= 1 + 1e-7
    found = pair([first, second], DRAWN)
    assert (found.n_rows, found.notes) == (150, ())
    difference = found.differences["rmse"][1]
    error = 20.0 * np.sqrt(np.square(np.cos(np.arange(150) * 3.0)).mean())
    assert difference.value == pytest.approx(error, rel=1e-3)
    assert difference.lower < difference.value < difference.upper
    assert difference.verdict == "worse"
    r2 = found.differences["r2"][1]
    assert (r2.value < r2.upper < 0, r2.verdict) == (True, "worse")


def test_equal_rows_are_paired_as_often_as_both_have_them(tmp_path):
    first = classified(tmp_path, range(10), skill=1.0)
    twice = pd.concat([first, first[:4]], ignore_index=True)
    thrice = pd.concat([first, first[:2], first[:2]], ignore_index=True)
    found = pair([twice, thrice], DRAWN)
    assert found.n_rows == 12
    assert found.differences["log_loss"][1].verdict == "equal"


def test_rows_whose_truth_differs_are_left_out_and_reported(tmp_path):
    first = classified(tmp_path, range(50), skill=1.0)
    second = first.copy()
    second.loc[:2, "actual"] = ["dog", "cat", "dog"]  # they were cat, dog, eel
    found = pair([first, second], DRAWN)
    assert found.n_rows == 47
    assert found.notes == ("3 shared rows are left out: the runs do not agree on their truth",)


def test_a_class_that_a_run_does_not_know(tmp_path):
    first = classified(tmp_path, range(60), skill=2.0)
    second = first.drop(columns="probability_eel")
    second["prediction"] = second["prediction"].where(second["prediction"] != "eel", "dog")
    found = pair([first, second], DRAWN)
    assert found.differences["log_loss"][1].verdict == "worse"
    assert "not every run knows the classes eel" in found.notes[0]


def test_nothing_shared(tmp_path):
    first = classified(tmp_path, range(10), skill=1.0)
    found = pair([first, classified(tmp_path, range(10, 20), skill=1.0)], DRAWN)
    assert (found.n_rows, found.figures, found.differences) == (0, {}, {})


def test_labels_that_are_numbers(tmp_path):
    first = classified(tmp_path, range(60), skill=2.0)
    numbered = {name: number for number, name in enumerate(CLASSES)}
    for column in ("actual", "prediction"):
        first[column] = first[column].map(numbered)
    first = first.rename(
        columns={f"probability_{n}": f"probability_{k}" for n, k in numbered.items()}
    )
    found = pair([first, first.copy()], DRAWN)
    assert found.figures["accuracy"][0].value == (first["actual"] == first["prediction"]).mean()
