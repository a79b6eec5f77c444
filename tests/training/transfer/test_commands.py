"""`layerline transfer plan` and `lineage`."""

import json
import shutil

import pytest
from click.testing import CliRunner

from layerline.cli import main
from layerline.tracking.flush import flush
from layerline.tracking.journal import Journal

PARAMS = """
project: p
fetch: {source: files}
train:
  options: {hidden: [8, 8], dropout: 0.0}
  device: cpu
"""


@pytest.fixture
def checkout(tmp_path, source, lab, monkeypatch):
    """A scaled table in the current folder, and a source in old/."""
    workspace = lab("write_here")(tmp_path, source[2])
    workspace.params.write_text(PARAMS + "  transfer: {from: old, last_blocks: 1}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return workspace


def run(*arguments):
    return CliRunner().invoke(main, ["transfer", *arguments])


def test_the_plan_is_shown_without_training(checkout):
    shown = run("plan")
    assert shown.exit_code == 0, shown.output
    assert "blocks.0.weight" in shown.output
    assert "155 parameters, 48 frozen" in shown.output
    found = json.loads(run("plan", "--json").output)
    assert found["counts"]["frozen"] == 48
    assert found["weights"][0]["status"] == "loaded"
    assert found["source"]["from"] == "old"
    assert not checkout.network.exists()


def test_a_plan_without_a_section_or_data_says_what_to_do(checkout):
    checkout.params.write_text(PARAMS)
    assert "train.transfer: is not set; `transfer: {from: champion}`" in run("plan").output
    checkout.params.write_text(PARAMS + "  transfer: {from: old}\n")
    shutil.rmtree(checkout.scaled)
    assert "run the earlier stages first" in run("plan").output


@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")  # MLflow's own
def test_a_chain_of_fine_tunes_is_walked_back(checkout):
    first = {"layerline.sha256.network": "1" * 64}
    second = {
        "layerline.sha256.network": "2" * 64,
        "layerline.transfer.from": "dvc:v1",
        "layerline.transfer.sha256": "1" * 64,
    }
    for key, tags in (("a", first), ("b", second)):
        with Journal.create(
            checkout.journals, key=key * 32, stage="train", experiment="p", run_name=f"mlp-{key}"
        ) as journal:
            journal.tags({"layerline.stage": "train", **tags})
    flush(checkout.home)
    shown = run("lineage", "mlp-b", "--json")
    assert shown.exit_code == 0, shown.output
    links = json.loads(shown.output)
    assert [(link["name"], link["source"]) for link in links] == [
        ("mlp-b", "dvc:v1"),
        ("mlp-a", "from scratch"),
    ]
    assert "mlp-a" in run("lineage", "mlp-b").output
