"""Quantiles and counts, from training to a registered model: real stages, a real store."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import read_json
from layerline.config import Component, TrainSection
from layerline.errors import DataError
from layerline.evaluation.evaluate import evaluate
from layerline.evaluation.prediction_table import read_record
from layerline.model.load import load_bundle
from layerline.model.predict_file import PredictOptions
from layerline.registry.client import open_registry
from layerline.registry.predict import predict_file
from layerline.tables.storage import read_table
from layerline.training.train import train

COLUMNS = ["prediction", "quantile_0.1", "quantile_0.5", "quantile_0.9"]
QUANTILE = Component(name="quantile", options={"levels": [0.1, 0.5, 0.9]})


def run_stages(checkout, loss, epochs=25):
    """Train and evaluate as the pipeline does."""
    section = TrainSection(
        options={"hidden": [16], "dropout": 0.0},
        loss=loss,
        optimizer=Component(name="adamw", options={"learning_rate": 0.01}),
        batch_size=64,
        epochs=epochs,
    )
    checkout.params = dataclasses.replace(checkout.params, threads=1, train=section)
    train(checkout.workspace, checkout.params, lambda record: None)
    return evaluate(checkout.workspace, checkout.params)


@pytest.fixture
def checkout(fresh):
    return fresh("numbers")


def test_quantiles_arrive_in_every_form(checkout, store, tmp_path):
    metrics = run_stages(checkout, QUANTILE)
    for figures in metrics.values():
        assert 0.6 < figures["interval_coverage"] < 0.95
        assert figures["interval_width"] > 0
        assert figures["pinball"] < figures["mae"]
    card = (checkout.workspace.reports / "model_card.md").read_text()
    assert "80% of the rows should lie between the levels" in card
    test = read_record(checkout.workspace.predictions)
    assert list(test) == ["id", "actual", *COLUMNS]

    facts = store.register(checkout, "intervals", tmp_path / "w")
    assert facts["promoted"]
    rows = read_table(checkout.workspace.validated).drop(columns="height")
    wanted = checkout.bundle(tmp_path / "b").predict(rows)
    assert list(wanted) == COLUMNS
    values = wanted.to_numpy()
    assert (np.diff(values[:, 1:], axis=1) >= 0).all()
    assert (values[:, 0] == values[:, 2]).all()
    position = np.load(checkout.workspace.scaled / "test_row.npy")
    np.testing.assert_allclose(test[COLUMNS], values[position], rtol=1e-6)

    with open_registry(store.home, "testing"):
        from mlflow import pyfunc

        loaded = pyfunc.load_model(facts["model_uri"])
    assert loaded.metadata.signature.outputs.input_names() == COLUMNS
    assert {str(kind) for kind in loaded.metadata.signature.outputs.input_types()} == {
        "DataType.double"
    }
    pd.testing.assert_frame_equal(loaded.predict(rows), wanted)

    rows.to_csv(tmp_path / "in.csv", index=False)
    for name, read in (("out.csv", pd.read_csv), ("out.parquet", pd.read_parquet)):
        pieces = PredictOptions(chunk_rows=250)
        predict_file(facts["model_uri"], tmp_path / "in.csv", tmp_path / name, store.home, pieces)
        np.testing.assert_allclose(read(tmp_path / name)[COLUMNS], values, rtol=1e-9)
    rows.assign(**{"quantile_0.9": 1.0}).to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(DataError, match=r"column 'quantile_0\.9' already exists in the data"):
        predict_file(facts["model_uri"], tmp_path / "in.csv", tmp_path / "x.csv", store.home)


def test_the_gate_compares_models_with_and_without_quantiles(checkout, store, tmp_path):
    run_stages(checkout, QUANTILE, epochs=1)
    assert store.register(checkout, "mixed", tmp_path / "w")["promoted"]
    run_stages(checkout, Component(name="auto"), epochs=40)
    plain = store.register(checkout, "mixed", tmp_path / "w")
    assert (plain["promoted"], plain["metric"]) == (True, "rmse")
    assert plain["gain_lower"] > 0
    run_stages(checkout, QUANTILE, epochs=2)
    worse = store.register(checkout, "mixed", tmp_path / "w")
    assert (worse["promoted"], worse["champion_version"]) == (False, plain["version"])
    assert worse["gain_mean"] < 0


def test_counts_are_above_zero_in_every_form(checkout, tmp_path):
    frame = read_table(checkout.workspace.validated)
    rows = frame.drop(columns="height")
    assert frame["height"].min() > 0  # so that it can stand for a count
    metrics = run_stages(checkout, Component(name="poisson"))
    assert "pinball" not in metrics["test"]
    checkout.bundle(tmp_path / "b")
    model = load_bundle(tmp_path / "b")
    far = rows.assign(size=-1e4, count=50_000)
    found = model.predict(pd.concat([rows, far], ignore_index=True))
    assert (found["prediction"] > 0).all()
    assert list(found) == ["prediction"]
    test = read_record(checkout.workspace.predictions)
    assert (test["prediction"] > 0).all()


def test_a_bundle_written_before_there_were_levels_still_loads(made, tmp_path):
    checkout = made("numbers")
    about = checkout.bundle(tmp_path / "b").about
    state = {key: value for key, value in about.to_json().items() if key != "levels"}
    assert about.from_json(state) == about
    assert read_json(tmp_path / "b" / "model.json")["levels"] == []
