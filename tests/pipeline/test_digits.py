"""The default, end to end: `dvc repro` takes scikit-learn's digits to a registered champion."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkouts import ROOT, Checkout
from sklearn.datasets import load_digits

from layerline.artifacts import STAGES


@pytest.fixture
def digits(digits: Checkout) -> Checkout:
    """The pipeline ran in processes of its own; what asks for its results are forks."""
    return dataclasses.replace(digits, is_warm=True)


def read(checkout: Checkout, name: str) -> dict:
    return json.loads((checkout.root / name).read_text())


def test_every_stage_wrote_its_run(digits: Checkout) -> None:
    keys = {name: read(digits, f"runs/{name}.json")["key"] for name in STAGES}
    assert keys["train"] == keys["evaluate"] == keys["register"]
    assert len(set(keys.values())) == 4


def test_figures_are_those_of_the_contract(digits: Checkout) -> None:
    metrics = read(digits, "reports/metrics.json")
    assert list(metrics) == ["test", "train", "valid"]
    for figures in metrics.values():
        assert set(figures) >= {"accuracy", "log_loss", "roc_auc", "f1_macro", "ece"}
        assert all(isinstance(value, float) for value in figures.values())
    assert metrics["test"]["accuracy"] >= 0.97


def test_a_second_repro_does_nothing(digits: Checkout) -> None:
    output = digits.run("dvc", "repro")
    assert "Data and pipelines are up to date." in output
    assert "Running stage" not in output


def test_git_stays_clean_but_for_the_lock_file(digits: Checkout) -> None:
    assert digits.run("git", "status", "--porcelain").split("\n") == ["?? dvc.lock", ""]


def test_the_champion_loads_in_a_fresh_process_and_takes_raw_columns(digits: Checkout) -> None:
    output = digits.cold.python(
        "import mlflow, json\n"
        "from sklearn.datasets import load_digits\n"
        "model = mlflow.pyfunc.load_model('models:/digits@champion')\n"
        "rows = load_digits(as_frame=True)\n"
        "found = model.predict(rows.data)\n"
        "print(json.dumps([list(found.columns), (found['prediction'] == rows.target).mean()]))\n"
    )
    columns, accuracy = json.loads(output.splitlines()[-1])
    assert columns == ["prediction", *(f"probability_{k}" for k in range(10))]
    assert accuracy > 0.98


def test_one_training_is_one_run_with_everything_in_it(digits: Checkout) -> None:
    output = digits.python(
        "import json, mlflow\n"
        "client = mlflow.MlflowClient()\n"
        "found = {}\n"
        "for e in client.search_experiments():\n"
        "    for r in client.search_runs([e.experiment_id]):\n"
        "        files = []\n"
        "        def walk(path=None):\n"
        "            for f in client.list_artifacts(r.info.run_id, path):\n"
        "                walk(f.path) if f.is_dir else files.append(f.path)\n"
        "        walk()\n"
        "        curve = client.get_metric_history(r.info.run_id, 'valid/loss')\n"
        "        found.setdefault(e.name, []).append(dict(status=r.info.status,\n"
        "            params=r.data.params, metrics=list(r.data.metrics), tags=r.data.tags,\n"
        "            files=files, n_curve=len(curve), inputs=len(r.inputs.dataset_inputs),\n"
        "            id=r.info.run_id))\n"
        "print(json.dumps(found))\n"
    )
    found = json.loads(output.splitlines()[-1])
    (run,) = found["digits"]
    data = {entry["tags"]["layerline.stage"]: entry for entry in found["digits-data"]}
    assert set(data) == {"fetch", "validate", "scale"}
    assert {entry["status"] for entry in (run, *data.values())} == {"FINISHED"}
    assert run["params"]["train.optimizer.learning_rate"] == "0.002"
    assert {"fetch.source", "scale.split.method", "register.alias"} <= set(run["params"])
    assert {"test/accuracy", "train/loss", "learning_rate", "rows_per_second"} <= set(
        run["metrics"]
    )
    epochs = len((digits.root / "reports" / "history.csv").read_text().splitlines()) - 1
    assert run["n_curve"] == epochs
    assert run["inputs"] == 3
    for stage, entry in data.items():
        assert run["tags"][f"mlflow.layerline.run.{stage}"] == entry["id"]
    assert len([name for name in run["tags"] if not name.startswith("mlflow.")]) <= 10
    assert run["tags"]["layerline.registration.promoted"] == "true"
    assert run["tags"]["mlflow.layerline.register.status"] == "FINISHED"
    assert {"plots/confusion.png", "metrics.json", "model_card.md", "params.yaml"} <= set(
        run["files"]
    )


def test_predict_takes_and_gives_csv_and_parquet(digits: Checkout, tmp_path: Path) -> None:
    frame = load_digits(as_frame=True).data
    frame.insert(0, "id", np.arange(len(frame)))
    frame.to_csv(tmp_path / "in.csv", index=False)
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    digits.run("layerline", "predict", str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"))
    digits.run("layerline", "predict", str(tmp_path / "in.parquet"), str(tmp_path / "out.csv"))
    told = digits.run("layerline", "predict", str(tmp_path / "in.parquet"), "-")
    assert (tmp_path / "out.csv").read_text() in told
    one, two = pd.read_parquet(tmp_path / "out.parquet"), pd.read_csv(tmp_path / "out.csv")
    assert (one["prediction"] == two["prediction"]).all()
    assert (one["id"] == frame["id"]).all()
    assert (one["prediction"] == load_digits().target).mean() > 0.98


def test_results_are_printed_with_the_way_to_the_ui(digits: Checkout) -> None:
    output = digits.run("layerline", "results")
    assert "accuracy" in output
    assert "make ui" in output
    assert json.loads(digits.run("layerline", "results", "--json"))["registration"]["promoted"]


def test_metrics_and_plots_are_declared_to_dvc(digits: Checkout) -> None:
    shown = json.loads(digits.run("dvc", "metrics", "show", "--json"))
    assert "reports/metrics.json" in shown[""]["data"]
    digits.run("dvc", "plots", "show", "--out", str(digits.root.parent / "plots"))
    page = (digits.root.parent / "plots" / "index.html").read_text()
    assert "train_loss" in page
    assert 'id = "predictions"' in page


def test_a_stage_run_by_itself_gives_the_same_bytes(digits: Checkout) -> None:
    network = digits.root / "models" / "network" / "network.safetensors"
    before = network.read_bytes()
    runs = digits.root / "runs" / "train.json"
    key = runs.read_bytes()
    digits.run("dvc", "unprotect", "models/network", "reports/history.csv", "runs/train.json")
    digits.cold.stage("train")
    assert network.read_bytes() == before
    runs.write_bytes(key)


@pytest.mark.parametrize("module", ["mlflow", "torch"])
def test_a_broken_params_file_is_refused_before_anything_heavy(
    module: str, checkout: Checkout
) -> None:
    (checkout.root / "params.yaml").write_text("project: [")
    code = "import sys, runpy; sys.argv = ['x']; runpy.run_path('pipeline/train.py')"
    output = checkout.run(
        sys.executable, "-c", f"{code}; print({module!r} in sys.modules)", code=None
    )
    assert output.splitlines()[-1] == "False"
    assert "not valid YAML" in checkout.stage("train", code=2)


def test_run_and_load_from_python(digits: Checkout) -> None:
    """The example of docs/python.md, and what it returns."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8").partition("\n## Projects")[2]
    example = page.partition("```python\n")[2].partition("```")[0]
    output = digits.run(
        *(sys.executable, "-W", "ignore", "-c"),
        f"{example}\n"
        "import json\n"
        "from sklearn.datasets import load_digits\n"
        "rows = load_digits(as_frame=True).data\n"
        "assert (champion.predict_proba(rows) == layerline.load('.').predict_proba(rows)).all()\n"
        "print(json.dumps([done.metrics, done.version, done.is_champion, done.stages]))\n"
        "try: layerline.run('src')\n"
        "except layerline.errors.SourceError as error: print(error)\n",
    )
    *_, found, mistake = output.splitlines()
    assert json.loads(found) == [read(digits, "reports/metrics.json"), 1, True, []]
    assert mistake.startswith("src/params.yaml: missing; give the folder of a project")
