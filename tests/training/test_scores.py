"""What early stopping may monitor: scikit-learn's values, and what it decides."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

from layerline.config import Component, EarlyStoppingSection, TrainSection
from layerline.errors import ParamsError
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.fit import fit
from layerline.training.inference import predict
from layerline.training.scores import SCORES, find_score

CLASSIFYING = {
    "log_loss": lambda y, shares: log_loss(y, shares, labels=range(shares.shape[1])),
    "auc": lambda y, shares: (
        1 - roc_auc_score(y, shares[:, 1] if shares.shape[1] == 2 else shares, multi_class="ovr")
    ),
}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", CLASSIFYING)
def test_a_score_of_classes_is_that_of_scikit_learn(name: str, n_classes: int) -> None:
    torch.manual_seed(0)
    outputs, y = torch.randn(200, n_classes).round(decimals=1), torch.randint(n_classes, (200,))
    expected = CLASSIFYING[name](y.numpy(), outputs.double().softmax(1).numpy())
    assert SCORES[name].build(outputs, y) == pytest.approx(expected, rel=1e-6)


def test_the_absolute_error_is_that_of_scikit_learn() -> None:
    outputs, y = torch.randn(50, 1), torch.randn(50)
    expected = mean_absolute_error(y.numpy(), outputs.numpy())
    assert SCORES["mae"].build(outputs, y) == pytest.approx(expected, rel=1e-6)


def test_the_area_of_a_single_class_is_a_half() -> None:
    assert SCORES["auc"].build(torch.randn(5, 2), torch.ones(5, dtype=torch.int64)) == 0.5


@pytest.mark.parametrize(("metric", "task"), [("mae", "binary"), ("auc", "regression")])
def test_a_score_that_does_not_fit_the_task_is_refused(metric: str, task: str) -> None:
    with pytest.raises(ParamsError, match=f"'{metric}' does not fit a {task} task"):
        find_score(metric, task)


@pytest.mark.parametrize("metric", ["loss", *CLASSIFYING])
def test_the_epoch_with_the_best_value_is_kept(metric: str) -> None:
    torch.manual_seed(0)
    y = torch.arange(60) % 2
    rows = Rows(torch.randn(60, 4) + y[:, None] * 0.4, y)
    weighted = Component(name="cross_entropy", options={"class_weights": [1.0, 5.0]})
    section = TrainSection(
        loss=weighted,
        batch_size=16,
        epochs=12,
        device="cpu",
        early_stopping=EarlyStoppingSection(metric=metric),
        optimizer=Component(name="adamw", options={"learning_rate": 0.02}),
    )
    network = build_network("mlp", {"hidden": [16]}, input_shape=(4,), d_out=2)
    data = TrainingData.of(rows, dataclasses.replace(rows, x=rows.x.flip(0), y=y.flip(0)), "binary")
    result = fit(network, data, section, seed=0)
    values = [record.monitored(metric) for record in result.history]
    assert result.kept_epoch == 1 + int(np.argmin(values))
    if metric != "loss":
        outputs = predict(network, data.valid.x)
        assert SCORES[metric].build(outputs, data.valid.y) == pytest.approx(min(values), rel=1e-4)
