"""What scale makes of columns and targets reaches the network, the figures and the bundle."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import read_json
from layerline.config import Component, ScaleSection, TrainSection
from layerline.errors import ParamsError
from layerline.evaluation.evaluate import evaluate
from layerline.scaling.scale import scale
from layerline.tables.storage import read_table
from layerline.training.train import train

TRAIN = TrainSection(
    options={"hidden": (16,), "dropout": 0.0},
    optimizer=Component(name="adamw", options={"learning_rate": 0.02}),
    epochs=12,
)
CLAMPED_LOG = Component(name="log", options={"clamp": True})


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        ("classes", {"categorical": {"name": "embedding", "min_count": 2}, "dates": "cyclic"}),
        ("classes", {"categorical": {"columns": {"soil": "target"}}, "numeric": "quantile"}),
        ("numbers", {"categorical": "embedding", "target": CLAMPED_LOG, "dates": "parts"}),
        ("numbers", {"target": Component(name="quantile"), "numeric": "power"}),
    ],
)
def test_a_model_predicts_raw_rows_as_the_pipeline_did(
    fresh: Any, tmp_path: Path, kind: str, choices: dict[str, Any]
) -> None:
    checkout = fresh(kind)
    workspace = checkout.workspace
    scale(workspace, ScaleSection(**choices), seed=0)
    params = dataclasses.replace(checkout.params, train=TRAIN)
    train(workspace, params, lambda record: None)
    figures = evaluate(workspace, params)["test"]
    model = checkout.bundle(tmp_path / "bundle")
    recorded = pd.read_parquet(workspace.predictions)
    position = np.load(workspace.scaled / "test_row.npy")
    rows = read_table(workspace.validated).iloc[position].reset_index(drop=True)
    found = model.predict(rows.drop(columns=checkout.preprocessor.target))
    for name in found:
        if found[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], recorded[name], rtol=1e-5)
    if kind == "numbers":
        np.testing.assert_array_equal(recorded["actual"], rows["height"])  # not through float32
        assert figures["r2"] > 0.5
    else:
        assert figures["accuracy"] > 0.5
    sizes = read_json(workspace.network / "spec.json")["category_sizes"]
    assert bool(sizes) == ("embedding" in str(choices))


def test_predictions_stay_in_the_seen_range_where_asked(fresh: Any, tmp_path: Path) -> None:
    checkout = fresh("numbers")
    scale(checkout.workspace, ScaleSection(target=CLAMPED_LOG), seed=0)
    params = dataclasses.replace(checkout.params, train=TRAIN)
    train(checkout.workspace, params, lambda record: None)
    evaluate(checkout.workspace, params)
    model = checkout.bundle(tmp_path / "bundle")
    seen = checkout.preprocessor.target_curve
    rows = read_table(checkout.workspace.validated).drop(columns="height")
    far = rows.assign(size=1e6)
    found = model.predict(far)["prediction"]
    assert found.between(seen.lowest, seen.highest).all()
    assert found.isin([seen.lowest, seen.highest]).any()


@pytest.mark.parametrize(
    ("choices", "section", "where"),
    [
        ({"target": Component(name="log")}, {"loss": Component(name="poisson")}, "train.loss"),
        ({"categorical": "embedding"}, {"augment": (Component(name="mixup"),)}, "train.augment"),
        ({"categorical": "embedding"}, {"network": "seven_layer", "options": {}}, "train.network"),
    ],
)
def test_what_does_not_fit_the_arrays_is_reported(
    fresh: Any, choices: dict[str, Any], section: dict[str, Any], where: str
) -> None:
    checkout = fresh("numbers")
    scale(checkout.workspace, ScaleSection(**choices), seed=0)
    params = dataclasses.replace(checkout.params, train=dataclasses.replace(TRAIN, **section))
    with pytest.raises(ParamsError, match=where):
        train(checkout.workspace, params, lambda record: None)
