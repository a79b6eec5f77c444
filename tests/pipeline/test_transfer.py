"""`layerline retrain` and `dvc repro` with train.transfer: from the champion, from a file."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout, make_checkout

TAGS = """
import json, mlflow
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("digits")
runs = client.search_runs([experiment.experiment_id])
champion = client.get_model_version_by_alias("digits", "champion")
print(json.dumps([[r.info.run_id, r.data.tags, r.data.metrics] for r in runs]))
"""


def moved_copy(checkout: Checkout, root: Path) -> Checkout:
    """A copy that can be changed; its store names its own folder."""
    shutil.copytree(checkout.root, root, symlinks=True)
    with sqlite3.connect(root / "mlflow.db") as store:
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in store.execute(names).fetchall():
            for _, column, kind, *_ in store.execute(f"PRAGMA table_info({table})").fetchall():
                if kind.startswith(("VARCHAR", "TEXT")):
                    store.execute(
                        f"UPDATE OR IGNORE {table} SET {column} = replace({column}, ?, ?)",
                        (str(checkout.root), str(root)),
                    )
    store.close()
    return Checkout(root)


def read(checkout: Checkout, name: str) -> Any:
    return json.loads((checkout.root / name).read_text())


@pytest.mark.slow
def test_a_retraining_starts_from_the_champion(digits: Checkout, tmp_path: Path) -> None:
    checkout = moved_copy(digits, tmp_path / "checkout")
    transfer = {"from": "champion", "forgetting": {"data": "data"}}
    checkout.edit_params(
        train__epochs=1,
        train__optimizer__learning_rate=1e-7,
        train__transfer=transfer,
        evaluate__bootstrap=50,
        evaluate__baselines=[],
    )
    before = read(checkout, "reports/metrics.json")
    output = checkout.run("layerline", "retrain", code=None)  # whether it is promoted is chance
    assert read(checkout, "reports/retrain.jsonl")["outcome"] in ("kept", "promoted")
    assert "starts from champion, model digits, version 1" in output
    assert "forgetting is measured on" in output

    # A step of nearly nothing: the new network is what the champion was, and it forgot nothing.
    metrics = read(checkout, "reports/metrics.json")
    accuracy = before["test"]["accuracy"]
    assert metrics["source_before"]["accuracy"] == pytest.approx(accuracy)
    assert metrics["source_after"]["accuracy"] == pytest.approx(accuracy, abs=0.01)
    assert metrics["test"]["accuracy"] == pytest.approx(accuracy, abs=0.01)
    assert read(checkout, "reports/evaluation.json")["forgetting"]["is_test"]
    assert "## Forgetting" in (checkout.root / "reports/model_card.md").read_text()

    runs = json.loads(checkout.python(TAGS).splitlines()[-1])
    (first,) = (run for run in runs if "layerline.transfer.from" not in run[1])
    (second,) = (run for run in runs if "layerline.transfer.from" in run[1])
    assert second[1]["layerline.transfer.run"] == first[0]
    assert second[1]["layerline.transfer.sha256"] == first[1]["layerline.sha256.network"]
    assert "source_after_accuracy" in second[2]
    links = json.loads(checkout.run("layerline", "transfer", "lineage", second[0], "--json"))
    assert [link["run"] for link in links] == [second[0], first[0]]


def write_half(path: Path, labels: range) -> None:
    from sklearn.datasets import load_digits

    pixels, target = load_digits(return_X_y=True)
    keep = np.isin(target, labels)
    frame = pd.DataFrame(pixels[keep], columns=[f"pixel_{n}" for n in range(64)])
    frame.assign(digit=target[keep]).to_parquet(path, index=False)


@pytest.mark.slow
def test_one_half_of_the_digits_after_the_other(tmp_path: Path) -> None:
    """0 to 4 from scratch, then 5 to 9 from a file of weights, in a checkout each."""
    checkouts = []
    for name, labels in (("first", range(5)), ("second", range(5, 10))):
        checkout = make_checkout(tmp_path / name)
        write_half(checkout.root / "half.parquet", labels)
        checkout.run("layerline", "init", "half.parquet", "--target", "digit", "--force")
        train = {
            "network": "mlp",
            "options": {"hidden": [64, 32], "dropout": 0.0},
            "epochs": 30,
            "batch_size": 32,
        }
        checkouts.append((checkout, train))
    (first, train), (second, _) = checkouts
    first.edit_params(train=train)
    first.run("dvc", "repro")
    weights = second.root / "first.safetensors"
    shutil.copy(first.root / "models" / "network" / "network.safetensors", weights)
    second.edit_params(train=train | {"transfer": {"from": weights.name, "head_epochs": 2}})
    output = second.run("dvc", "repro")
    assert "the columns, scaling and classes of the source are unknown" in output
    assert read(second, "reports/metrics.json")["test"]["accuracy"] > 0.9
    counts = read(second, "models/network/transfer.json")["counts"]
    assert counts["new"] == 32 * 5 + 5
