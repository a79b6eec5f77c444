"""`layerline results`: metrics with intervals and baselines, the verdict, and what is outdated."""

import json
from pathlib import Path

import pytest

METRICS = {
    "train": {"accuracy": 0.99, "log_loss": 0.02},
    "valid": {"accuracy": 0.96, "log_loss": 0.11},
    "test": {"accuracy": 0.95, "log_loss": 0.12345},
}
EVALUATION = {
    "intervals": {
        "accuracy": {"lower": 0.93, "mean": 0.95, "upper": 0.97},
        "log_loss": {"lower": 0.1, "mean": 0.12, "upper": 0.15},
    },
    "baselines": {"linear": {"accuracy": 0.91, "log_loss": 0.3}},
}
PARAMS = "project: shop\nfetch: {source: files}\ntrain: {epochs: 60}\n"
LOCK = """
schema: '2.0'
stages:
  train:
    cmd: python pipeline/train.py
    params:
      params.yaml:
        train: {epochs: 60}
  evaluate:
    cmd: python pipeline/evaluate.py
    params:
      params.yaml:
        project: shop
        train: {epochs: 60}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    Path("dvc.lock").write_text(LOCK)
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text(json.dumps(METRICS))
    Path("reports/evaluation.json").write_text(json.dumps(EVALUATION))
    Path("reports/model_card.html").write_text("<p>card</p>")
    return tmp_path


def test_metrics_come_with_intervals_baselines_and_the_card(project, layerline):
    lines = layerline("results").stdout.splitlines()
    assert lines[1].split() == ["metric", "train", "valid", "test", "interval", "linear"]
    assert lines[2].split() == ["accuracy", "0.99", "0.96", "0.95", "0.93", "to", "0.97", "0.91"]
    assert lines[3].split() == ["log_loss", "0.02", "0.11", "0.1235", "0.1", "to", "0.15", "0.3"]
    assert "not registered" in lines
    assert "model card: reports/model_card.html" in lines


@pytest.mark.parametrize(("looks", "shown"), [(7, True), (1, False), ("many", False)])
def test_looks_at_the_test_rows_are_shown(project, layerline, looks, shown):
    verdict = {"version": 2, "champion_version": 2, "alias": "champion", "reason": "better"}
    verdict |= {"model_uri": "models:/shop/2", "test_looks": looks}
    Path("reports/registration.json").write_text(json.dumps(verdict))
    lines = layerline("results", code=4).stdout.splitlines()  # no network is recorded
    assert "models:/shop/2 is the champion: better" in lines
    assert ("these test rows have been looked at 7 times" in lines) == shown


def test_json_is_alone_on_stdout(project, layerline):
    result = layerline("results", "--json")
    facts = json.loads(result.stdout)
    assert facts["metrics"] == METRICS
    assert facts["intervals"]["log_loss"]["upper"] == 0.15
    assert facts["baselines"]["linear"]["accuracy"] == 0.91
    assert facts["registration"] is None
    assert facts["changed_params"] == []
    assert result.stderr == ""


def test_results_of_other_params_say_so(project, layerline):
    Path("params.yaml").write_text(PARAMS.replace("60", "80").replace("shop", "houses"))
    result = layerline("results", "--json")
    assert json.loads(result.stdout)["changed_params"] == [
        "train.epochs: 60 → 80",
        "project: shop → houses",
    ]
    assert "params.yaml has changed since these results were made" in result.stderr
    assert "`dvc repro` updates them" in result.stderr


def test_results_of_another_project_keep_its_name_and_are_not_registered_under_todays(
    project, layerline
):
    verdict = {"version": 2, "champion_version": 2, "alias": "champion", "reason": "better"}
    verdict |= {"model_uri": "models:/shop/2", "project": "shop", "network_sha256": "a" * 64}
    Path("reports/registration.json").write_text(json.dumps(verdict))
    Path("params.yaml").write_text(PARAMS.replace("shop", "houses"))
    result = layerline("results", code=8)  # there is no store
    assert result.stdout.splitlines()[0] == "shop"
    assert "project: shop → houses" in result.stderr
    assert "houses with the network in models/" not in result.stderr
    shown = layerline("register", code=2).stderr
    assert "project: shop → houses" in shown
    assert "run `dvc repro evaluate` first" in shown


def test_it_works_from_a_subfolder(project, layerline, monkeypatch):
    (project / "data" / "mine").mkdir(parents=True)
    monkeypatch.chdir(project / "data" / "mine")
    assert "model card: ../../reports/model_card.html" in layerline("results").stdout


@pytest.mark.parametrize(
    "text", ["[]", "null", '{"test": 3}', '{"test": ', "3", "", '{"rest": {}}']
)
def test_reports_of_another_shape_are_damage_not_defects(project, layerline, text):
    Path("reports/metrics.json").write_text(text)
    shown = layerline("results", code=4).stderr
    assert "reports/metrics.json: damaged" in shown


def test_before_the_first_run_it_says_what_to_do(project, layerline):
    Path("reports/metrics.json").unlink()
    shown = layerline("results", code=4).stderr
    assert "run the earlier stages first: `dvc repro`" in shown
