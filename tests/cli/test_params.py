"""`layerline params` explains keys, and writes the schemas for editors."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from layerline.cli import main


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["params", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_key_is_explained_with_those_below_it() -> None:
    text = run("train.early_stopping")
    assert "train.early_stopping.patience_epochs: a whole number ≥ 1, or null; default 20" in text
    assert "Epochs without a better value" in text
    assert "train.epochs" not in text


def test_options_say_whose_they_are() -> None:
    found = json.loads(run("train.optimizer.momentum", "--json"))
    assert {key["component"] for key in found} == {"name: sgd", "name: rmsprop", "name: muon"}
    assert all(key["meaning"] for key in found)


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    done = CliRunner().invoke(main, ["params", "train.epoch"])
    assert done.exit_code == 2
    assert "train.epoch: is no key of params.yaml; did you mean train.epochs?" in done.output


def test_the_schemas_for_editors_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text("project: a\n")
    monkeypatch.chdir(tmp_path)
    assert "schemas/" in run("--schemas")
    assert json.loads((tmp_path / "schemas" / "table.schema.json").read_text())["properties"]
