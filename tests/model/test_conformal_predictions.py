"""Regions in whatever a registered model answers with: predict, serve, MLflow, exports."""

import json

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import read_json, read_manifest
from layerline.config import ConformalSection
from layerline.evaluation.decision import PLAIN, Decision
from layerline.evaluation.held_out import HeldOut
from layerline.evaluation.row_predictions import with_conformal
from layerline.model.exporting.export import export_bundle
from layerline.model.load import load_bundle
from layerline.model.predict_file import PredictOptions, predict_file
from layerline.networks.serialization import load_network
from layerline.registry.mlflow_model import signature_of
from layerline.serving.compiled_model import agree
from layerline.serving.request_handler import COMPILED, RequestHandler, encode
from layerline.tables.storage import read_parquet, read_table
from layerline.training.dataset import load_rows
from layerline.training.inference import predict

ADDED = {
    "classes": {"in_set_daisy": bool, "in_set_rose": bool, "in_set_tulip": bool},
    "numbers": {"interval_low": float, "interval_high": float},
}


@pytest.fixture(scope="module")
def bundles(made, tmp_path_factory):
    """Bundles with regions of 80 % by group, and costs of classes, each beside its rows."""
    found = {}
    for name in ADDED:
        checkout, folder = made(name), tmp_path_factory.mktemp(name) / "b"
        network, spec = load_network(checkout.workspace.network)
        rows = load_rows(checkout.workspace.scaled, "train")  # many enough for groups
        held = HeldOut(predict(network, rows.x).numpy(), rows)
        by = {"classes": "kind", "numbers": "soil"}[name]
        dear = ((0.0, 1.0, 1.0), (9.0, 0.0, 5.0), (1.0, 1.0, 0.0))
        plain = Decision(costs=dear) if name == "classes" else PLAIN
        checkout.decision = with_conformal(
            held,
            spec,
            plain,
            ConformalSection(level=0.8, by=by),
            read_manifest(checkout.workspace.scaled),
        )
        assert len({*checkout.decision.conformal.groups.scores, None}) > 2
        checkout.record()
        raw = read_table(checkout.workspace.validated)
        checkout.bundle(folder, raw[:20])
        checkout.decision = PLAIN
        checkout.record()
        found[name] = folder, raw
    return found


@pytest.mark.parametrize("name", ADDED)
def test_regions_stand_beside_the_prediction(name, bundles):
    folder, rows = bundles[name]
    model = load_bundle(folder)
    found = model.predict(rows, any_value=True)
    assert list(found) == ["prediction", *model.about.output_columns]
    added = found.iloc[:, -len(ADDED[name]) :]
    assert dict(added.dtypes) == {k: np.dtype(v) for k, v in ADDED[name].items()}
    if name == "numbers":
        assert (found["interval_low"] < found["prediction"]).all()
        assert (found["prediction"] < found["interval_high"]).all()
    else:
        chosen = [found.loc[row, f"in_set_{found.loc[row, 'prediction']}"] for row in found.index]
        assert all(chosen)


@pytest.mark.parametrize("name", ADDED)
def test_a_server_answers_with_the_same(name, bundles):
    folder, _ = bundles[name]
    handler = RequestHandler(load_bundle(folder))
    assert handler.way == COMPILED
    body = json.dumps(handler.examples()).encode()
    answer = handler.handle("application/json", body)
    expected = handler.model.predict(pd.DataFrame(handler.examples()), any_value=True)
    assert agree(answer.predicted, expected)
    first = json.loads(encode("7", answer))["predictions"][0]
    assert {k: type(first[k]) for k in ADDED[name]} == ADDED[name]


@pytest.mark.parametrize("name", ADDED)
def test_a_file_gets_their_columns(name, bundles, tmp_path):
    folder, rows = bundles[name]
    rows.to_parquet(tmp_path / "rows.parquet")
    options = PredictOptions(keep=("note",), any_value=True, chunk_rows=100)
    model = load_bundle(folder)
    predict_file(model, "m", tmp_path / "rows.parquet", tmp_path / "out.parquet", options)
    found = read_parquet(tmp_path / "out.parquet").drop(columns="note")
    expected = model.predict(rows, any_value=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert dict(found[list(ADDED[name])].dtypes) == {k: np.dtype(v) for k, v in ADDED[name].items()}


@pytest.mark.parametrize("name", ADDED)
def test_mlflow_knows_their_types(name, bundles):
    outputs = signature_of(load_bundle(bundles[name][0]).about).outputs.to_dict()
    types = {column["name"]: column["type"] for column in outputs}
    wanted = {"classes": "boolean", "numbers": "double"}[name]
    assert {k: types[k] for k in ADDED[name]} == dict.fromkeys(ADDED[name], wanted)


@pytest.mark.parametrize("name", ADDED)
def test_an_export_is_proved_without_them_and_says_how_to_add_them(name, bundles, tmp_path):
    export_bundle(bundles[name][0], ["torch"], tmp_path / "e")
    conformal = read_json(tmp_path / "e" / "columns.json")["conformal"]
    assert conformal == read_json(bundles[name][0] / "decision.json")["conformal"]
    assert conformal["coverage"] == 0.8
