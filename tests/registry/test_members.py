"""Members trained at once, from training to a registered model: real stages, a real store."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import read_json, read_manifest
from layerline.config import MembersSection, RangeSection, TrainSection
from layerline.evaluation.evaluate import evaluate
from layerline.evaluation.prediction_table import read_record
from layerline.tables.storage import read_table
from layerline.training.train import train

SPACE = {
    "options.dropout": [0.0, 0.2, 0.4],
    "options.hidden": [[16], [8, 8]],
    "optimizer.learning_rate": RangeSection(low=1e-3, high=1e-2, log=True),
}


@pytest.mark.parametrize("keep", ["best", "all", "greedy"])
def test_what_is_kept_is_evaluated_registered_and_predicts(fresh, store, tmp_path, keep):
    checkout = fresh("classes")
    section = TrainSection(
        options={"hidden": [16]}, epochs=8, members=MembersSection(count=3, keep=keep, space=SPACE)
    )
    checkout.params = dataclasses.replace(checkout.params, threads=1, train=section)
    workspace, told = checkout.workspace, []
    result = train(workspace, checkout.params, told.append)
    evaluate(workspace, checkout.params)
    history = pd.read_csv(workspace.reports / "history.csv")
    assert list(history["epoch"]) == [record.epoch for record in result.history]
    assert len(told) >= len(history)
    about = read_manifest(workspace.network)
    assert [one["seed"] for one in about["members"]] == [0, 1, 2]
    assert ("kept_seed" in about) == (keep == "best")
    spec = read_json(workspace.network / "spec.json")
    n_kept = sum(one.get("weight", 0) > 0 for one in about["members"])
    assert spec["network"] == ("ensemble" if n_kept > 1 else "mlp")
    assert not list((workspace.home / ".layerline").glob("snapshots/*"))

    card = (workspace.reports / "model_card.md").read_text()
    (header,) = [line for line in card.splitlines() if line.startswith("| seed |")]
    assert {"dropout", "hidden", "learning rate", "best epoch"} < set(header.split(" | "))
    assert ("an ensemble of" in card) == (spec["network"] == "ensemble")

    assert store.register(checkout, f"seeds-{keep}", tmp_path / "w")["promoted"]
    rows = read_table(workspace.validated)
    target = read_json(workspace.scaled / "manifest.json")["target"]
    given = checkout.bundle(tmp_path / "b").predict(rows.drop(columns=target))
    test = read_record(workspace.predictions)
    position = np.load(workspace.scaled / "test_row.npy")
    assert (test["prediction"].to_numpy() == given["prediction"].to_numpy()[position]).all()
