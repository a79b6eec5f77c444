"""`layerline.fit` gives what the pipeline gives, and leaves nothing behind."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from checkouts import Checkout, make_checkout
from sklearn.datasets import make_classification

import layerline
from layerline.errors import DataError, ParamsError, SourceError

PIPELINE = """
import runpy
from layerline.cli import main
from layerline.stage import run_stage
main(["init", "shop.csv", "--target", "size"], standalone_mode=False)
text = open("params.yaml").read()
assert text.count("epochs: 200") == 1
for old, new in (("count: 8", "count: 2"), ("folds: 8", "folds: 2"), ("epochs: 200", "epochs: 3")):
    text = text.replace(old, new)
open("params.yaml", "w").write(text)
for name in ("fetch", "validate", "scale", "train", "evaluate"):
    assert run_stage(name, runpy.run_path(f"pipeline/{name}.py")["main"]) == 0
"""


def shop_rows(n: int = 240) -> pd.DataFrame:
    random = np.random.default_rng(0)
    weight = random.normal(50, 10, n).round(3)
    return pd.DataFrame(
        {
            "weight": np.where(np.arange(n) % 9 == 0, np.nan, weight),
            "items": random.integers(1, 9, n),
            "city": random.choice(["Bern", "Köln", "Rom"], n),
            "member": random.choice([True, False], n),
            "size": np.where(weight > 55, "large", np.where(weight > 45, "medium", "small")),
        }
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which `layerline init` and the stages have run."""
    checkout = make_checkout(tmp_path_factory.mktemp("fit") / "checkout")
    shop_rows().to_csv(checkout.root / "shop.csv", index=False)
    checkout.run(sys.executable, "-W", "ignore", "-c", PIPELINE, LAYERLINE_TRACKING="off")
    return checkout


@pytest.fixture(scope="module")
def fitted(shop: Checkout) -> layerline.FittedModel:
    frame = pd.read_csv(shop.root / "shop.csv")
    return layerline.fit(frame, target="size", epochs=3, folds=2, members={"count": 2})


def test_a_frame_is_trained_on_as_the_pipeline_trains(
    shop: Checkout, fitted: layerline.FittedModel
) -> None:
    pipeline = layerline.load(shop.root)
    pd.testing.assert_frame_equal(
        fitted.predict_frame(shop_rows()), pipeline.predict_frame(shop_rows()), check_exact=True
    )
    assert fitted.metrics == json.loads((shop.root / "reports" / "metrics.json").read_text())
    written = pd.read_csv(shop.root / "reports" / "history.csv")
    pd.testing.assert_frame_equal(fitted.history, written)
    weights = (shop.root / "models" / "network" / "network.safetensors").read_bytes()
    assert fitted._files["network.safetensors"] == weights


@pytest.mark.slow
def test_ten_thousand_rows_of_twenty_columns_to_the_byte(tmp_path: Path) -> None:
    x, y = make_classification(10_000, 20, random_state=0)
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(20)]).assign(y=y)
    checkout = make_checkout(tmp_path / "checkout")
    frame.to_csv(checkout.root / "wide.csv", index=False)
    script = PIPELINE.replace("shop.csv", "wide.csv").replace('"size"', '"y"')
    script = script.replace("epochs: 200", "epochs: 100")  # what init writes for so many rows
    checkout.run(sys.executable, "-W", "ignore", "-c", script, LAYERLINE_TRACKING="off")
    model, pipeline = (
        layerline.fit(frame, target="y", epochs=3, members={"count": 2}),
        layerline.load(checkout.root),
    )
    weights = (checkout.root / "models" / "network" / "network.safetensors").read_bytes()
    assert model._files["network.safetensors"] == weights
    expected = pipeline.predict_frame(frame)
    pd.testing.assert_frame_equal(model.predict_frame(frame), expected, check_exact=True)
    assert model.metrics == json.loads((checkout.root / "reports" / "metrics.json").read_text())


def test_files_are_read_as_the_commands_read_them(
    shop: Checkout, fitted: layerline.FittedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shop.root / "shop.csv"
    short = {"epochs": 3, "folds": 2, "members": {"count": 2}}
    model = layerline.fit(str(file), "size", verbose=True, **short)
    assert "; test accuracy " in capsys.readouterr().out
    assert model._files["network.safetensors"] == fitted._files["network.safetensors"]
    expected = fitted.predict_frame(pd.read_csv(file))
    pd.testing.assert_frame_equal(model.predict_frame(file), expected, check_exact=True)
    assert (model.predict(str(file)) == expected["prediction"]).all()
    with pytest.raises(DataError, match=f"{file.name}: .*did you mean 'size'"):
        layerline.fit(file, "sizes")
    with pytest.raises(DataError, match="target: the rows are a file, so name one of its columns"):
        layerline.fit(file, [1, 2])
    with pytest.raises(SourceError, match=r"absent\.csv"):
        layerline.fit(shop.root / "absent.csv", "size")
    with pytest.raises(SourceError, match=r"absent\.csv: file not found"):
        model.predict(shop.root / "absent.csv")
    bad = shop.root / "bad.csv"
    pd.read_csv(file).head(2).assign(city="Oslo").to_csv(bad, index=False)
    with pytest.raises(DataError, match=r"bad\.csv: .*Oslo"):
        model.predict(bad)
    assert len(model.predict_frame(bad, any_value=True)) == 2


def test_a_model_is_saved_loaded_and_pickled(fitted: layerline.FittedModel, tmp_path: Path) -> None:
    expected = fitted.predict_proba(shop_rows())
    folder = fitted.save(tmp_path / "new" / "model")
    assert (layerline.load(folder).predict_proba(shop_rows()) == expected).all()
    copied = pickle.loads(pickle.dumps(fitted))
    assert (copied.predict_proba(shop_rows()) == expected).all()
    assert copied.metrics == fitted.metrics
    with pytest.raises(DataError, match="is there already"):
        fitted.save(folder)
    (folder / "spec.json").write_text("{}")
    with pytest.raises(SourceError, match="was changed"):
        layerline.load(folder)


def test_what_a_predictor_says_of_itself(fitted: layerline.FittedModel) -> None:
    assert (fitted.task, fitted.target) == ("multiclass", "size")
    assert fitted.classes == ("large", "medium", "small")
    assert set(fitted.columns) == {"weight", "items", "city", "member"}
    assert set(fitted.predict(shop_rows())) <= set(fitted.classes)
    assert np.allclose(fitted.predict_proba(shop_rows()).sum(axis=1), 1)
    assert "multiclass of 'size'" in repr(fitted)
    assert "test accuracy" in repr(fitted)
    with pytest.raises(DataError, match="column 'weight' is missing"):
        fitted.predict(shop_rows()[["city"]])
    unseen = shop_rows().head(1).assign(city="Oslo")
    with pytest.raises(DataError, match="Oslo"):
        fitted.predict(unseen)
    assert len(fitted.predict_frame(unseen, any_value=True)) == 1


def test_weights_are_a_column_or_a_number_for_each_row() -> None:
    random = np.random.default_rng(0)
    rows, given = random.normal(size=(120, 2)), random.integers(1, 4, 120)
    frame = pd.DataFrame(rows, columns=["weight", "b"]).assign(y=rows[:, 0])
    short = {"members": None, "epochs": 2}
    plain = layerline.fit(frame, "y", **short)
    named = layerline.fit(frame.assign(own=given), "y", weights="own", **short)
    beside = layerline.fit(frame, "y", weights=given, **short)
    assert set(named.columns) == set(beside.columns) == {"b", "weight"}
    assert (named.predict(frame) == beside.predict(frame)).all()
    assert (named.predict(frame) != plain.predict(frame)).any()
    mistakes = {"weights: the frame has no column 'ow'": "ow", "weights of shape": given[:3]}
    for message, wrong in mistakes.items():
        with pytest.raises(DataError, match=message):
            layerline.fit(frame, "y", weights=wrong)


def test_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array and its targets; torch, the folder and the arguments stay as they were."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    x = np.random.default_rng(0).normal(size=(120, 3))
    y = x[:, 0] + 2 * x[:, 1]
    kept = x.copy()
    model = layerline.fit(x, y, members=None, epochs=3, options={"hidden": [8]})
    assert model.task == "regression"
    assert model.params["train"]["options"]["hidden"] == [8]
    assert model.params["train"]["options"]["numeric_embeddings"]["bins"] == 32
    assert model.predict(x).shape == (120,)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert (x == kept).all()
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="no probabilities"):
        model.predict_proba(x)
    with pytest.raises(DataError, match="120 rows, but 119 targets"):
        layerline.fit(x, y[1:])
    with pytest.raises(DataError, match=r"got an array \(120,\)"):
        layerline.fit(y, y)


def test_mistakes_are_named_as_arguments() -> None:
    frame = shop_rows()
    with pytest.raises(ParamsError) as error:
        layerline.fit(frame, "size", epochs=0, optimizer={"nam": 1}, scale={"numeric": "ranks"})
    text = str(error.value)
    assert "layerline.fit: train.epochs: " in text
    assert "layerline.fit: train.optimizer.nam: unknown key" in text
    assert "layerline.fit: scale.numeric" in text
    with pytest.raises(DataError, match=r"^the frame: .*did you mean 'size'\? set target to"):
        layerline.fit(frame, "sizes")
    with pytest.raises(DataError, match=r"'large' .*has 1 row"):
        layerline.fit(one_of(frame, "large"), "size")
    with pytest.raises(DataError, match="without a common type"):
        layerline.fit(frame.assign(city=[{1}, "Bern"] * 120), "size")
    with pytest.raises(DataError, match="'city' more than once"):
        layerline.fit(frame.rename(columns={"items": "city"}), "size")
    with pytest.raises(SourceError, match="no model is here"):
        layerline.load("tests")


def one_of(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    others = frame[frame["size"] != label]
    return pd.concat([others, frame[frame["size"] == label].head(1)])


def test_importing_the_package_is_cheap_and_fit_needs_no_mlflow() -> None:
    code = """
import sys, layerline
assert not {"torch", "pandas", "sklearn", "mlflow"} & set(sys.modules)
assert "fit" in dir(layerline)
layerline.fit, layerline.load
assert not {"mlflow", "dvc"} & set(sys.modules)
try:
    layerline.nothing
except AttributeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no attribute 'nothing'" in done.stdout


def test_messages_of_a_frame_name_no_file_or_key_that_only_a_project_has() -> None:
    frame = pd.DataFrame({"x": [0.5, 1.5, 2.5, 3.5] * 30, "member": range(120, 0, -1)})
    frame["y"] = frame["x"] * 2
    gaps = frame.assign(y=frame["y"].where(frame.index % 7 > 0))
    with pytest.raises(DataError, match="target 'y' has 18 missing values") as error:
        layerline.fit(gaps, "y", members=None, epochs=1)
    assert str(error.value).endswith("drop these rows at the source")
    notes = "\n".join(layerline.fit(frame, "y", members=None, epochs=1).notes)
    assert "leave the column out" in notes
    for words in ("data/schemas", "use: false", "on_bad_rows"):
        assert words not in notes
