"""PostgreSQL as MLflow's store: behind a real `mlflow server`, and spoken to directly."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from arrivals import check_arrivals, select
from checkouts import make_checkout
from postgres import postgresql
from servers import TrackingServer

from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.journal import Dataset, Journal


@pytest.fixture(scope="module")
def postgres():
    with postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with TrackingServer(folder, backend=postgres.new_database()) as running:
        yield running


def write_journals(folder: Path, report: Path, n_steps: int = 1000) -> None:
    data = {"experiment": "digits-data", "stage": "scale", "run_name": "scale"}
    with Journal.create(folder, key="data-1", **data) as journal:
        journal.tags({"n_rows": 3})
    train = {"key": "train-1", "experiment": "digits", "run_name": "größer"}
    with Journal.create(folder, stage="train", **train) as journal:
        journal.link("layerline.run.scale", "data-1")
        journal.params({f"p{number}": number / 7 for number in range(120)})
        for step in range(n_steps):
            journal.metrics({"loss": 1 / (step + 3), "tiny": 1e-300, "odd": float("inf")}, step)
        journal.artifact(report, "plots")
        for split in ("train", "test"):
            journal.dataset(
                Dataset(
                    name=f"d-{split}",
                    digest="e",
                    source="s",
                    context=split,
                    n_rows=3,
                    schema={"x": "double"},
                )
            )
    with Journal.create(folder, stage="evaluate", continues=True, **train) as journal:
        journal.params({"p0": 1})
        journal.metrics({"test/accuracy": 0.9})


def flush_twice_at_once(home):
    command = [sys.executable, "-m", "layerline.tracking.flush", "--home", str(home)]
    flushers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [flusher.communicate(timeout=240)[1] for flusher in flushers]
    assert [flusher.returncode for flusher in flushers] == [0, 0], errors
    assert (flush(home).waiting, flush(home).errors) == (0, ())


def check_store(home, store, artifacts=None):
    assert check_arrivals(home, store, artifacts) == 2001
    tags = "SELECT value FROM tags WHERE key = '{}'"
    assert select(store, tags.format("mlflow.layerline.run.scale")) == [
        (run_id_of(home, "data-1"),)
    ]
    assert select(store, tags.format("layerline.nonfinite.odd")) == [("inf at step 0",)]
    contexts = "SELECT value FROM input_tags WHERE name = 'mlflow.data.context' ORDER BY value"
    assert select(store, contexts) == [("test",), ("train",)]


def test_journals_arrive_over_http_once(home, folder, tmp_path, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    (tmp_path / "curve.png").write_bytes(b"png")
    write_journals(folder, tmp_path / "curve.png")
    flush_twice_at_once(home)
    check_store(home, server.backend, server.artifacts)
    assert not (home / "mlflow.db").exists()


@pytest.mark.slow
def test_journals_arrive_directly_once(home, folder, tmp_path, postgres, monkeypatch):
    store = postgres.new_database()  # empty: the two flushers make its tables
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curve.png").write_bytes(b"png")
    write_journals(folder, tmp_path / "curve.png")
    flush_twice_at_once(home)
    check_store(home, store)
    assert (home / "mlartifacts" / "digits").is_dir()
    assert not (tmp_path / "mlruns").exists()  # MLflow's own choice, lost with the folder


@pytest.mark.slow
@pytest.mark.parametrize("way", ["http", "directly"])
def test_whole_pipeline(way, tmp_path, postgres, request):
    if way == "http":
        server = request.getfixturevalue("server")
        uri, store, artifacts = server.uri, server.backend, server.artifacts
    else:
        uri = store = postgres.new_database()
        artifacts = None
    checkout = make_checkout(tmp_path / "checkout")
    checkout.edit_params(project=f"digits-{way}", train__epochs=5, evaluate__bootstrap=50)
    output = checkout.run("dvc", "repro", MLFLOW_TRACKING_URI=uri)
    assert "is now version 1" in output
    epochs = len((checkout.root / "reports" / "history.csv").read_text().splitlines()) - 1
    assert epochs == 5
    assert check_arrivals(checkout.root, store, artifacts) > 5 * epochs
    found = checkout.run(
        sys.executable,
        "-W",
        "ignore",
        "-c",
        "import json, mlflow, sys\n"
        "from sklearn.datasets import load_digits\n"
        f"model = mlflow.pyfunc.load_model('models:/digits-{way}@champion')\n"
        "rows = load_digits(as_frame=True)\n"
        "accuracy = (model.predict(rows.data)['prediction'] == rows.target).mean()\n"
        "run = mlflow.get_run(model.metadata.run_id)\n"
        "inputs = sorted(i.tags[0].value for i in run.inputs.dataset_inputs)\n"
        "print(json.dumps([run.info.status, inputs, len(run.outputs.model_outputs), accuracy]))\n",
        MLFLOW_TRACKING_URI=uri,
    )
    status, inputs, n_models, accuracy = json.loads(found.splitlines()[-1])
    assert (status, inputs) == ("FINISHED", ["testing", "training", "validation"])
    assert n_models == 1
    assert accuracy > 0.9
    assert not (checkout.root / "mlruns").exists()
