import json
import subprocess

import numpy as np
import pytest

from layerline.artifacts import read_json
from layerline.errors import BusyError, SourceError, TrackingError
from layerline.registry.client import open_registry, registry_lock
from layerline.registry.register import register_model
from layerline.registry.registration import FILES_TAG
from layerline.tracking.mlflow_names import plain_tags


@pytest.mark.usefixtures("store")
def test_a_trained_checkout_is_registered(fresh):
    checkout = fresh()
    checkout.train()
    said = []
    facts = register_model(checkout.workspace, checkout.params, checkout.key, said.append)
    assert facts["promoted"]
    assert said == ["models:/flowers/1 logged", "models:/flowers@champion is now version 1"]
    assert set(facts) >= {
        "project", "version", "alias", "promoted", "reason", "metric", "champion_version",
        "previous_version", "gain_mean", "gain_lower", "gain_upper", "n_test_rows",
        "network_sha256", "preprocessor_sha256", "run_id", "model_uri",
    }  # fmt: skip
    with open_registry(checkout.workspace.home, "testing") as client:
        run = client.get_run(facts["run_id"])
        version = client.get_model_version("flowers", "1")
        model = client.get_registered_model("flowers").description
    assert run.info.status == "FINISHED"
    headline = version.description.partition("\n")[0]
    assert headline.startswith("Promoted: ")
    assert model.startswith("`models:/flowers@champion` is what predicts")
    assert f"version 1. {headline}" in model
    assert run.data.tags["layerline.key"] == checkout.key
    assert f"Version 1 became `champion`: {facts['reason']}" in version.description
    assert 'layerline.load("models:/flowers/1")' in version.description
    assert f"runs/{facts['run_id']}/artifacts/model_card.html" in version.description
    assert run.data.tags["mlflow.note.content"] == version.description
    shown = [name for name in version.tags if not name.startswith("mlflow.")]
    assert len(shown) <= 10
    assert {"layerline.verdict", "layerline.verdict_reason"} <= {*shown}
    assert f"runs/{facts['run_id']}/artifacts/lineage.json" in version.description
    lineage = read_json(next((checkout.workspace.home / "mlartifacts").rglob("lineage.json")))
    assert lineage["registration"] == json.loads(json.dumps(facts))
    assert lineage["version"]["layerline.files_sha256"] == plain_tags(version.tags)[FILES_TAG]
    assert lineage["run"]["layerline.key"] == checkout.key


@pytest.mark.usefixtures("store")
def test_descriptions_that_people_wrote_stay(fresh):
    checkout = fresh()
    checkout.train(epochs=2)
    facts = register_model(checkout.workspace, checkout.params, checkout.key, print)
    with open_registry(checkout.workspace.home, "testing") as client:
        ours = client.get_model_version("flowers", "1").description
        client.set_tag(facts["run_id"], "mlflow.note.content", "of the second batch")
        client.update_registered_model("flowers", "three species")
        register_model(checkout.workspace, checkout.params, checkout.key, print)
        assert client.get_registered_model("flowers").description == "three species"
        assert client.get_model_version("flowers", "1").description == ours
        tags = client.get_run(facts["run_id"]).data.tags
    assert tags["mlflow.note.content"] == "of the second batch"


def test_a_store_that_was_removed_is_reported_with_the_remedy(fresh):
    checkout = fresh()
    checkout.train(epochs=1)
    with pytest.raises(TrackingError, match=r"does not know the run .*`layerline register`"):
        register_model(checkout.workspace, checkout.params, "f" * 32, print)


def test_a_dead_server_is_reported_at_once_and_nothing_is_lost(fresh, monkeypatch):
    checkout = fresh()
    checkout.train(epochs=1)
    journals = list(checkout.workspace.journals.glob("*.jsonl"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="does not answer"):
        register_model(checkout.workspace, checkout.params, checkout.key, print)
    assert list(checkout.workspace.journals.glob("*.jsonl")) == journals


def test_a_damaged_artifact_is_refused(fresh):
    checkout = fresh()
    checkout.train(epochs=1)
    positions = checkout.workspace.scaled / "test_row.npy"
    np.save(positions, np.load(positions)[::-1])
    with pytest.raises(SourceError, match=r"test_row\.npy: sha256"):
        register_model(checkout.workspace, checkout.params, checkout.key, print)


HOLD = """
import sys
from pathlib import Path
from layerline.registry.client import registry_lock
with registry_lock(Path(sys.argv[1]), "flowers"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_of_two_registrations_one_waits(tmp_path, python):
    other = subprocess.Popen(
        [python, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(BusyError, match="another process has been registering"),
            registry_lock(tmp_path, "flowers", wait_seconds=0.2),
        ):
            pass
        with registry_lock(tmp_path, "another", wait_seconds=0.2):
            pass
        other.kill()  # the kernel frees its lock
        with registry_lock(tmp_path, "flowers", wait_seconds=60):
            pass
