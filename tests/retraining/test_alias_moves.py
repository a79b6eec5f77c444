"""The champion changed by labelled rows: the shadow's promotion, and the way back; a real store."""

import dataclasses
import json

import numpy as np
import orjson
import pandas as pd
from registered import clean_environment, fresh, made, store  # noqa: F401

from layerline.artifacts import Workspace
from layerline.config.retraining_sections import LiveSection, RetrainSection
from layerline.registry.administration import history
from layerline.registry.client import open_registry
from layerline.registry.predict import load_registered
from layerline.registry.promotion import start_shadow
from layerline.retraining.alias_moves import move_alias
from layerline.retraining.live_score import score_labels
from layerline.retraining.shadow_verdict import look_at_shadow, verdict_line
from layerline.tables.storage import read_table

PROJECT = "moves"
N_ROWS = 60


def served_rows(checkout, path, version, predictions, shadow=None) -> None:
    """A request log in which a version answered, and perhaps another one was the shadow."""
    rows = read_table(checkout.workspace.validated).head(N_ROWS)
    rows = rows.drop(columns="height").astype(object).where(rows.notna(), None)
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    with path.open("ab") as file:
        for at, row in enumerate(rows.to_dict("records")):
            entry = {
                "id": f"{version}-{at}",
                "time": f"2026-01-0{version}T12:00:00",
                "version": version,
                "row": row,
                "prediction": predictions[at],
            }
            if shadow is not None:
                entry["shadow"] = {"version": "2", "prediction": shadow[at]}
            file.write(orjson.dumps(entry, default=str, option=options))


def label(workspace, params, version, truths) -> None:
    ids = [f"{version}-{at}" for at in range(len(truths))]
    path = workspace.root / "labels.csv"
    pd.DataFrame({"id": ids, "height": truths}).to_csv(path, index=False)
    score_labels(workspace, params, path)


def reign(home) -> tuple[str, str]:
    """(the champion, who made it so)."""
    line = next(one for one in history(home, PROJECT) if "champion" in one["aliases"])
    return str(line["version"]), line["reigns"][-1]["by"]


def test_the_shadow_is_promoted_and_rolled_back(made, fresh, store, tmp_path):  # noqa: F811
    checkout, workspace = made("numbers"), Workspace(store.home)
    other = fresh("numbers", seed=1)
    other.train(epochs=1)
    retrain = RetrainSection(promote="shadow", rollback=True, live=LiveSection(log="moves.jsonl"))
    params = dataclasses.replace(checkout.params, project=PROJECT, retrain=retrain)
    store.register(other, PROJECT, tmp_path / "bundles")
    better = dataclasses.replace(checkout, params=params)
    facts = store.register(better, PROJECT, tmp_path / "bundles")
    assert (facts["promoted"], facts["champion_version"]) == (False, 1)
    assert "better on" in facts["reason"]
    assert "the rows that are served decide" in facts["reason"]
    assert reign(store.home) == ("1", "gate")
    reports: list[str] = []

    with open_registry(store.home, "testing") as client:
        for version in ("1", "2"):
            client.set_model_version_tag(PROJECT, version, "layerline.test_metrics", '{"rmse": 1}')
        start_shadow(client, PROJECT, "1", 30)  # another one is under test
        aliases = client.get_registered_model(PROJECT).aliases
    assert {name: str(number) for name, number in aliases.items()}["challenger"] == "2"
    assert "no labelled row" in verdict_line(look_at_shadow(workspace, params) or {})
    assert move_alias(workspace, params, reports.append) is None

    model = load_registered(f"models:/{PROJECT}/1", store.home)
    truths = model.predict(read_table(checkout.workspace.validated).head(N_ROWS), any_value=True)
    truths = truths["prediction"].to_numpy()
    log, far = workspace.root / "moves.jsonl", truths + 4 * np.abs(truths).max()
    served_rows(checkout, log, "1", far, shadow=truths)
    label(workspace, params, "1", truths)
    change = move_alias(workspace, params, reports.append)
    assert change is not None
    assert (change.outcome, change.champion) == ("promoted", 2)
    assert "version 2 beside 1: promote after 60 rows" in change.message
    assert reign(store.home) == ("2", "shadow")
    assert json.loads((workspace.reports / "shadow.json").read_text())["evidence_better"] > 20
    assert (workspace.reports / "shadow.png").stat().st_size > 5000
    assert look_at_shadow(workspace, params) is None  # it is no challenger any more
    assert move_alias(workspace, params, reports.append) is None  # it has answered nothing yet

    served_rows(checkout, log, "2", far)
    label(workspace, params, "2", truths)
    change = move_alias(workspace, params, reports.append)
    assert change is not None
    assert (change.outcome, change.champion) == ("rolled back", 1)
    assert "version 1 is surely better than 2 on the same 60 labelled rows" in change.message
    assert reign(store.home) == ("1", "live score")
