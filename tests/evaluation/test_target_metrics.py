"""Metrics of several targets are scikit-learn's, averaged; the gate judges by their mean."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from layerline.config import GateSection
from layerline.errors import DataError
from layerline.evaluation.bootstrap import metric_intervals
from layerline.evaluation.metrics import lower_is_better, measure
from layerline.evaluation.prediction_table import tabulate
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.target_predictions import join_targets
from layerline.registry.gate import judge, metric_value
from layerline.registry.holdout import join_truth
from layerline.tables.targets import TargetColumn

NUMBERS = (TargetColumn("price", scale=1e5), TargetColumn("rent"))
LABELS = (TargetColumn("sold", (0, 1)), TargetColumn("heated", ("no", "yes")))


def numbers(noise: float = 0.3, n: int = 300) -> Predictions:
    random = np.random.default_rng(1)
    actual = random.normal(size=(n, 2)) * [1e5, 1.0]
    predicted = actual + noise * np.random.default_rng(2).normal(size=(n, 2)) * [1e5, 2.0]
    return Predictions(actual, predicted, targets=NUMBERS)


def labels(n: int = 300) -> Predictions:
    random = np.random.default_rng(0)
    shares = random.uniform(0.01, 0.99, (n, 2))
    actual = (random.random((n, 2)) < shares**2).astype(np.int64)
    return Predictions(actual, (shares >= 0.5).astype(np.int64), shares, targets=LABELS)


def test_numbers_as_scikit_learn_averages_them() -> None:
    p = numbers()
    found, pair = measure(p), (p.actual, p.predicted)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(*pair))
    assert found["mae"] == pytest.approx(mean_absolute_error(*pair))
    assert found["r2"] == pytest.approx(r2_score(*pair))
    each = r2_score(*pair, multioutput="raw_values")
    assert [found["r2.price"], found["r2.rent"]] == pytest.approx(list(each))


def test_labels_as_scikit_learn_has_them() -> None:
    p = labels()
    assert p.probabilities is not None
    found = measure(p)
    for place, name in enumerate(("sold", "heated")):
        y, share = p.actual[:, place], p.probabilities[:, place]
        assert found[f"log_loss.{name}"] == pytest.approx(log_loss(y, share))
        assert found[f"accuracy.{name}"] == pytest.approx(accuracy_score(y, share >= 0.5))
        assert found[f"f1_macro.{name}"] == pytest.approx(
            f1_score(y, share >= 0.5, average="macro")
        )
    assert found["roc_auc"] == pytest.approx(roc_auc_score(p.actual, p.probabilities))


def test_intervals_hold_the_metric_and_pair_the_rows() -> None:
    p = numbers()
    found = metric_intervals(p, 200, 0.95, 0)
    assert set(found) == set(measure(p))
    assert all(one.lower < one.mean < one.upper for one in found.values())
    assert found["mae"].lower > min(found["mae.price"].lower, found["mae.rent"].lower)
    assert lower_is_better("rmse.price")
    assert not lower_is_better("r2.price")


def test_the_gate_judges_numbers_by_the_mean_r2_in_which_no_unit_counts() -> None:
    champion, p = numbers(0.3), numbers(0.2)
    assert metric_value(p, "r2") == pytest.approx(measure(p)["r2"])
    section = GateSection(floors={"r2.rent": 0.5, "rmse": 1e6})
    verdict = judge(champion, p, section, task="multi_regression", seed=0)
    assert verdict.promote
    assert verdict.metric == "r2"
    assert verdict.gain_mean == pytest.approx(measure(p)["r2"] - measure(champion)["r2"])
    other = Predictions(
        p.actual,
        np.column_stack([p.predicted[:, 0], champion.predicted[:, 1] * 0]),
        targets=NUMBERS,
    )
    # Better of the large unit, far worse of the small one.
    assert not judge(champion, other, GateSection(), task="multi_regression", seed=0).promote


def test_the_gate_judges_labels_by_the_mean_log_loss() -> None:
    p = labels()
    assert p.probabilities is not None
    worse = Predictions(p.actual, p.predicted, np.clip(p.probabilities, 0.4, 0.6), targets=LABELS)
    for metric in ("log_loss", "accuracy"):
        assert metric_value(p, metric) == pytest.approx(measure(p)[metric])
    verdict = judge(worse, p, GateSection(), task="multilabel", seed=0)
    assert verdict.metric == "log_loss"
    assert verdict.gain_mean == pytest.approx(measure(worse)["log_loss"] - measure(p)["log_loss"])


@pytest.mark.parametrize("known", [numbers(), labels()], ids=["numbers", "labels"])
def test_a_table_of_predictions_is_joined_with_the_truth(known: Predictions) -> None:
    table = tabulate(known, None)
    found = join_targets(table, known.actual, known.targets)
    assert (found.predicted == known.predicted).all()
    assert measure(found) == pytest.approx(measure(known))
    with pytest.raises(DataError, match=r"it predicts pr.*, now prediction_"):
        join_targets(table.iloc[:, ::-1], known.actual, known.targets)
    with pytest.raises(DataError, match="it predicts several targets"):
        join_truth(table, known.actual[:, 0], None)
    alone = pd.DataFrame({"prediction": known.predicted[:, 0]})
    with pytest.raises(DataError, match="it predicts prediction, now prediction_"):
        join_targets(alone, known.actual, known.targets)
