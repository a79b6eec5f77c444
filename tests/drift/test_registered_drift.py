"""A registered version carries what it needs, and the command compares with it."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from registered import flowers

from layerline.artifacts import Workspace
from layerline.cli import main
from layerline.config import DriftSection
from layerline.drift.registered_drift import drift_of_file, load_learnt
from layerline.errors import SourceError
from layerline.model.bundle import MANIFEST
from layerline.registry.download import registered_bundle

PARAMS = "project: garden\nfetch: {source: files, target: kind}\n"


@pytest.fixture(scope="module")
def garden(made, store, tmp_path_factory):
    """A project beside the store, with a champion."""
    facts = store.register(made("classes"), "garden", tmp_path_factory.mktemp("garden"))
    assert facts["promoted"]
    (store.home / "params.yaml").write_text(PARAMS)
    return store.home


def test_the_sketch_is_a_file_of_the_version(garden):
    with registered_bundle("models:/garden@champion", garden) as bundle:
        manifest = json.loads((bundle / MANIFEST).read_text())
        assert "reference.json" in manifest["files"]
        assert (bundle / "reference.json").stat().st_size < 20_000
    learnt = load_learnt("models:/garden@champion", garden)
    assert learnt.version == "1"
    assert set(learnt.reference.columns) == {"size", "soil", "count", "is wild", "planted"}


def test_the_command_writes_its_report_and_fails_only_if_asked(
    garden, made, monkeypatch, obstacles
):
    monkeypatch.chdir(garden)
    rows = flowers(400, seed=9)
    rows.to_csv("same.csv", index=False)
    rows.assign(size=rows["size"] + 2).to_csv("moved.csv", index=False)
    runner = CliRunner()
    quiet = runner.invoke(main, ["drift", "same.csv", "--fail"])
    assert quiet.exit_code == 0, quiet.output
    assert "no drift in" in quiet.output
    assert "note: The joint distribution was not tested" in quiet.output
    loud = runner.invoke(main, ["drift", "moved.csv", "--against", "1", "--fail", "--json"])
    assert loud.exit_code == 9
    found = json.loads(loud.stdout)
    assert found == json.loads((garden / "reports" / "drift" / "drift.json").read_text())
    assert found["drifted"] is True
    assert {"drifted", "test", "p_adjusted", "effect"} <= set(found["columns"]["size"])
    page = runner.invoke(main, ["explore", "models:/garden@champion", "--no-browser"])
    assert page.exit_code == 0, page.output
    text = (garden / "reports" / "explorer.html").read_text()
    data = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.S)
    shown = json.loads(data[1])["drift"]
    assert shown["title"] == "Drift of `moved.csv` from models:/garden/1"
    assert {column["name"] for column in shown["columns"]} == set(found["columns"])
    assert shown["columns"][0] | {"name": "size", "drifted": True} == shown["columns"][0]
    assert runner.invoke(main, ["drift", "moved.csv"]).exit_code == 0
    assert "<title>" in (garden / "reports" / "drift" / "drift.html").read_text()
    shutil.copytree(made("classes").workspace.validated, garden / "data" / "validated")
    shuffled = rows["size"].sample(frac=1, random_state=0).to_numpy()
    rows.assign(size=shuffled).to_csv("shuffled.csv", index=False)
    quiet = runner.invoke(main, ["drift", "same.csv", "--fail"])
    assert quiet.exit_code == 0, quiet.output
    joint = runner.invoke(main, ["drift", "shuffled.csv", "--fail"])
    assert joint.exit_code == 9, joint.output
    assert "drift in the joint distribution: new rows can be told apart by" in joint.output
    shutil.rmtree(garden / "data")
    missing = runner.invoke(main, ["drift", "none.csv"])
    assert missing.exit_code == 4
    assert "none.csv: file not found" in missing.output
    assert obstacles(garden / "reports" / "drift" / "drift.html") == []


def test_truths_of_what_was_served_give_the_live_score(garden, monkeypatch):
    monkeypatch.chdir(garden)
    rows = flowers(300, seed=11)
    predicted = load_learnt("models:/garden@champion", garden).model.predict(rows, any_value=True)
    log = garden / ".layerline" / "requests.jsonl"
    log.parent.mkdir(exist_ok=True)
    times = [f"2026-01-{1 + at // 100:02d}T00:00:00.000+00:00" for at in range(300)]
    log.write_text(
        "".join(
            json.dumps({"id": at, "time": times[at], "version": "1", "row": {}, **entry}) + "\n"
            for at, entry in enumerate(predicted.to_dict("records"))
        )
    )
    labels = rows[["kind"]].assign(id=range(300))
    labels[:200].to_csv("labels.csv", index=False)
    done = CliRunner().invoke(main, ["labels", "labels.csv", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.exc_info
    found = json.loads(done.stdout)
    assert (found["metric"], found["n_labelled"], len(found["days"])) == ("log_loss", 200, 2)
    labels[200:].to_csv("labels.csv", index=False)  # the others come later
    done = CliRunner().invoke(main, ["labels", "labels.csv"])
    assert "version 1" in done.output
    found = json.loads((garden / "reports" / "live.json").read_text())
    version = found["versions"]["1"]
    truth = rows["kind"].to_numpy()
    chosen = [predicted[f"probability_{name}"].iloc[at] for at, name in enumerate(truth)]
    assert version["n_rows"] == 300
    assert version["value"] == pytest.approx(-np.log(chosen).mean())
    assert version["lower"] < version["value"] < version["upper"]


def test_a_version_of_an_earlier_release_is_said_to_have_none(garden, made, store, tmp_path):
    from layerline.registry.candidate import prepare
    from layerline.registry.client import open_registry
    from layerline.registry.registration import log_version

    params = dataclasses.replace(made("classes").params, project="old")
    candidate = prepare(made("classes").workspace, params, store.run("old"), tmp_path)
    manifest = json.loads((candidate.bundle / MANIFEST).read_text())
    del manifest["files"]["reference.json"]
    (candidate.bundle / MANIFEST).write_text(json.dumps(manifest))
    (candidate.bundle / "reference.json").unlink()
    with open_registry(store.home, "testing") as client:
        log_version(
            client,
            run_id=candidate.run_id,
            bundle=candidate.bundle,
            about=candidate.about,
            examples=candidate.holdout.rows,
        )
    with pytest.raises(SourceError, match="carries no sketch of its training rows"):
        drift_of_file("models:/old/1", garden / "params.yaml", Workspace(garden), DriftSection())
