"""Exports predict what the model predicts, for each entry of the preprocessing's tables."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from layerline.artifacts import read_json
from layerline.errors import LayerlineError
from layerline.model.exporting import export as writing
from layerline.model.exporting import onnx, torch_module
from layerline.model.exporting import tensor_transforms as forms
from layerline.model.inputs import read_columns
from layerline.networks import build_network
from layerline.networks.embeddings import fit_embeddings
from layerline.scaling.preprocessing import dates as dates_module
from layerline.scaling.preprocessing.categories import codes_of
from layerline.scaling.preprocessing.encoders import ENCODERS
from layerline.scaling.preprocessing.normal_quantiles import normal_quantiles
from layerline.scaling.preprocessing.scalers import KINDS, SCALERS, Own
from layerline.scaling.preprocessing.target_transforms import TARGETS
from layerline.tables.storage import read_images, read_table

# torch's exporter deprecates parts of itself, and warns of its own use of them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_every_frozen_kind_has_a_form():
    assert set(forms.FORMS) == set(KINDS.values()) - {Own}
    assert set(forms.PARTS) == set(dates_module.PARTS)
    assert set(forms.CYCLES) == set(dates_module.CYCLES)


@pytest.mark.parametrize("name", SCALERS)
def test_a_scaler_gives_what_numpy_gives(name):
    generator = np.random.default_rng(0)
    columns = generator.normal(size=300), generator.exponential(size=300) - 0.2, np.ones(300)
    steps = generator.integers(0, 4, 300).astype(float)
    x = np.stack([*columns, steps], axis=1)
    fitted = SCALERS[name].build(x)
    beyond = np.vstack([x, 3 * x - 1, generator.normal(scale=50, size=(200, 4))])
    found = forms.FORMS[type(fitted)](torch.from_numpy(beyond), fitted)
    np.testing.assert_allclose(found.numpy(), fitted.apply(beyond), rtol=1e-7, atol=1e-9)


def test_normal_quantiles_are_those_of_numpy():
    p = np.concatenate([np.linspace(1e-3, 1 - 1e-3, 500), [1e-12, 1e-7, 1 - 1e-7]])
    found = forms.normal_quantiles(torch.from_numpy(p)).numpy()
    np.testing.assert_allclose(found, normal_quantiles(p), rtol=1e-12)


@pytest.mark.parametrize("table", ["PARTS", "CYCLES"])
def test_parts_of_dates_are_those_of_pandas(table):
    seconds = np.random.default_rng(0).integers(-4_000_000_000, 4_000_000_000, 2000)
    column = pd.Series(pd.Timestamp(0) + pd.to_timedelta(seconds, unit="s"))
    edges = ["1970-01-01", "1900-02-28", "1999-12-31 23:59:59.999", "2000-02-29", None]
    column = pd.concat([column, pd.Series(pd.to_datetime(edges, format="ISO8601"))])
    days = torch.tensor(dates_module.PARTS["days"](column))
    for name, part in getattr(dates_module, table).items():
        found = getattr(forms, table)[name](days).numpy()
        np.testing.assert_allclose(found, part(column), atol=1e-9, err_msg=name)


def test_a_cycle_goes_round_and_a_gap_is_its_middle():
    share = torch.tensor([0.0, 0.25, 0.5, torch.nan], dtype=torch.float64)
    expected = [[1, 0], [0, 1], [-1, 0], [0, 0]]
    np.testing.assert_allclose(forms.circle(share), expected, atol=1e-6)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_comes_back_in_the_users_unit(name):
    y = np.random.default_rng(0).exponential(size=400) + 0.1
    scale = TARGETS[name].build(y, clamp=name != "none")
    t = np.linspace(-3, 3, 50)[:, None]
    found = forms.restore(torch.from_numpy(t), scale.curve).numpy()
    np.testing.assert_allclose(found, scale.curve.restore(t), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_category_gives_what_numpy_gives(name):
    column = pd.Series(list("aabbbc") * 5, name="city")
    y = np.random.default_rng(0).normal(size=(30, 2))
    fitted = ENCODERS[name].build(column, y, min_count=6)
    new = pd.Series([*"abc", None, "peat"], name="city")
    found = torch_module._category(torch.from_numpy(codes_of(new, fitted.levels)), fitted)
    np.testing.assert_array_equal(found.numpy(), fitted.apply(new))


def hard_rows(made, name):
    """A thousand rows, with gaps in every column and levels never seen."""
    workspace = made(name).workspace
    if name == "images":
        return np.asarray(read_images(workspace.validated))
    frame = read_table(workspace.validated)
    frame = pd.concat([frame, frame], ignore_index=True)[:1000]
    generator = np.random.default_rng(0)
    for column in ("size", "count", "planted"):
        frame[column] = frame[column].mask(generator.random(1000) < 0.2)
    frame["soil"] = frame["soil"].mask(generator.random(1000) < 0.2, "peat")
    frame["is wild"] = frame["is wild"].astype(object).mask(generator.random(1000) < 0.2, None)
    return frame


def test_onnx_reads_the_columns_as_the_model_does(made, tmp_path):
    import onnxruntime
    from onnx import helper

    model, rows = made("classes").bundle(tmp_path / "bundle"), hard_rows(made, "classes")
    typed = read_columns(rows, model.about.columns)
    opset = helper.make_opsetid("", onnx.OPSET)
    core = helper.make_model(helper.make_graph([], "core", [], []), opset_imports=[opset])
    core.ir_version = 10  # as torch's exporter writes
    front = onnx._front(model, core).SerializeToString()
    session = onnxruntime.InferenceSession(front, providers=["CPUExecutionProvider"])
    found = session.run(None, onnx.inputs_of(model, typed))
    assert [output.name for output in session.get_outputs()] == [
        "numbers_of_columns", "codes_of_columns",
    ]  # fmt: skip
    for given, expected in zip(found, writing.tensors_of(model, typed), strict=True):
        np.testing.assert_array_equal(given, expected.numpy())
    assert (found[1] < 0).any(axis=0).all()  # peat, and a gap, were never seen


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("classes", "torch"),
        ("numbers", "torch"),
        pytest.param("classes", "onnx", marks=pytest.mark.slow),
        pytest.param("numbers", "onnx", marks=pytest.mark.slow),
        pytest.param("images", "onnx", marks=pytest.mark.slow),
        pytest.param("images", "torch", marks=pytest.mark.slow),
    ],
)
def test_an_export_agrees_on_a_thousand_hard_rows(name, form, made, tmp_path):
    model = made(name).bundle(tmp_path / "bundle")
    rows = hard_rows(made, name)
    writing.write_exports(model, [form], tmp_path, rows)  # compares, and refuses what differs
    assert (tmp_path / {"onnx": "model.onnx", "torch": "model.pt2"}[form]).stat().st_size > 1000
    assert read_json(tmp_path / "columns.json")["project"] == "flowers"
    if (name, form) == ("classes", "torch"):
        expected = model.predict(rows, any_value=True)
        for wrong in (expected.assign(probability_rose=lambda t: t["probability_rose"] + 2e-5),):
            values = expected.iloc[:, 1:].to_numpy(), expected["prediction"].to_numpy()
            with pytest.raises(LayerlineError, match="2e-05 away from the model on 1,000 rows"):
                writing._require_same("torch", model, wrong, values)


@pytest.mark.parametrize(
    ("embeddings", "form"),
    [
        ("piecewise_linear", "torch"),
        ({"name": "piecewise_linear", "edges": "quantile"}, "torch"),
        pytest.param("periodic", "torch", marks=pytest.mark.slow),
        pytest.param("piecewise_linear", "onnx", marks=pytest.mark.slow),
        pytest.param(
            {"name": "piecewise_linear", "edges": "quantile"}, "onnx", marks=pytest.mark.slow
        ),
    ],
)
def test_embedded_numbers_are_exported_too(embeddings, form, made, tmp_path):
    model = made("classes").bundle(tmp_path / "bundle")
    options = {"hidden": [8], "numeric_embeddings": embeddings}
    shape = (len(model.preprocessor.features),)
    network = build_network("mlp", options, input_shape=shape, d_out=3).eval()
    rows = hard_rows(made, "classes")
    fit_embeddings(network, torch.from_numpy(model.preprocessor.transform(rows)))
    model = dataclasses.replace(model, network=network)
    writing.write_exports(model, [form], tmp_path, rows)


VARIED = {
    "member_options": {"hidden": [8], "norm": "none", "numeric_embeddings": "piecewise_linear"},
    "members": 3,
    "mean": "probabilities",
    "variations": [
        {"dropout": 0.3},
        {"hidden": [6, 5]},
        {"numeric_embeddings": {"name": "piecewise_linear", "edges": "quantile", "bins": 8}},
    ],
    "weights": [0.5, 0.3, 0.2],
}


@pytest.mark.parametrize("form", ["torch", pytest.param("onnx", marks=pytest.mark.slow)])
def test_an_ensemble_whose_members_differ_is_exported_too(form, made, tmp_path):
    model = made("classes").bundle(tmp_path / "bundle")
    shape = (len(model.preprocessor.features),)
    network = build_network("ensemble", VARIED, input_shape=shape, d_out=3).eval()
    rows = hard_rows(made, "classes")
    fit_embeddings(network, torch.from_numpy(model.preprocessor.transform(rows)))
    writing.write_exports(dataclasses.replace(model, network=network), [form], tmp_path, rows)


@pytest.mark.slow
def test_a_bundle_is_exported_with_gaps_and_new_words_tried(made, tmp_path):
    rows = read_table(made("classes").workspace.validated)[:5].drop(columns=["kind", "note"])
    made("classes").bundle(tmp_path / "bundle", rows)
    writing.export_bundle(tmp_path / "bundle", ["torch"], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "columns.json", "manifest.json", "model.pt2",
    }  # fmt: skip
