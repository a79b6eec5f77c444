import json

import pytest

from layerline.artifacts import Workspace, write_json
from layerline.config import parse_params
from layerline.errors import SourceError
from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.journal import FILES, Dataset
from layerline.tracking.journal_lines import read_events
from layerline.tracking.log_batches import Batch
from layerline.tracking.provenance import log_dvc_lock, log_files, log_inputs
from layerline.tracking.store import open_client

TABLE = {
    "kind": "table",
    "source": "files",
    "raw_sha256": {"table.parquet": "f" * 64},
    "target": "price",
    "task": "regression",
    "classes": None,
    "shape": [2],
    "features": ["area", "town=a"],
    "n_rows": {"train": 30, "valid": 10, "test": 20},
    "files": {f"{split}_x.npy": {"sha256": split * 16} for split in ("train", "valid", "test")},
}
IMAGES = {
    **TABLE,
    "kind": "images",
    "task": "multiclass",
    "classes": ["cat", "dog", "eel"],
    "shape": [1, 28, 28],
    "features": None,
}
LOCK = """schema: '2.0'
stages:
  fetch:
    cmd: python pipeline/fetch.py
  scale:
    cmd: python pipeline/scale.py
  train:
    cmd: python pipeline/train.py
    params:
      params.yaml:
        train.epochs: 3
"""
PARAMS = """# notes: ftp://me:in-a-comment@host
project: houses
fetch: {source: files, options: {path: houses.csv}, target: price}
study:
  # whom to tell
  webhook: "https://hooks.example.org/abc"   # the team's
  every: 7
"""


@pytest.fixture
def workspace(home):
    return Workspace(home)


def sent_datasets(home, new_journal, workspace, scaled):
    write_json(workspace.scaled / "manifest.json", scaled)
    with new_journal() as journal:
        log_inputs(journal, workspace, "houses")
    assert flush(home).errors == ()
    run = open_client(home).get_run(run_id_of(home, "key-1"))
    return {given.tags[0].value: given.dataset for given in run.inputs.dataset_inputs}


def test_a_table_arrives_with_its_columns_and_counts(home, new_journal, workspace, tags_of):
    from mlflow.types import Schema

    found = sent_datasets(home, new_journal, workspace, TABLE)
    assert set(found) == {"training", "validation", "testing"}
    train = found["training"]
    assert (train.name, train.digest) == ("houses-train", ("train" * 16)[:32])
    schema = Schema.from_json(json.dumps(json.loads(train.schema)["mlflow_colspec"]))
    assert schema.input_names() == ["area", "town=a", "price"]
    profile = json.loads(train.profile)
    assert (profile["num_rows"], profile["num_elements"], profile["n_features"]) == (30, 60, 2)
    assert tags_of("key-1")["mlflow.layerline.sha256.raw.table.parquet"] == "f" * 64


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("raw_sha256", []), ("raw_sha256", None), ("files", {"train_x.npy": 1}), ("files", [])),
        *(("n_rows", 3), ("n_rows", {"train": "x"}), ("shape", None), ("features", 7)),
    ],
)
def test_a_manifest_of_another_shape_is_damage(home, new_journal, workspace, key, value):
    path = workspace.scaled / "manifest.json"
    write_json(path, {**TABLE, key: value})
    refused = pytest.raises(SourceError, match=r"scaled/manifest\.json: damaged")
    with new_journal("key-1") as journal, refused:
        log_inputs(journal, workspace, "houses")


def test_images_arrive_with_their_shape_and_classes(home, new_journal, workspace):
    from mlflow.data.schema import TensorDatasetSchema

    test = sent_datasets(home, new_journal, workspace, IMAGES)["testing"]
    schema = TensorDatasetSchema.from_dict(json.loads(test.schema))
    assert schema.features.inputs[0].shape == (-1, 1, 28, 28)
    profile = json.loads(test.profile)
    assert (profile["num_rows"], profile["n_features"], profile["n_classes"]) == (20, 784, 3)
    assert profile["classes"] == ["cat", "dog", "eel"]


def test_more_columns_than_mlflow_takes_are_cut_not_lost_whole(home, new_journal, workspace):
    wide = [f"a column with quite a long name, number {number}" for number in range(30_000)]
    found = sent_datasets(
        home, new_journal, workspace, {**TABLE, "features": wide, "shape": [len(wide)]}
    )
    columns = json.loads(found["training"].schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == wide[: len(columns)]
    assert len(columns) > 5000
    assert json.loads(found["training"].profile)["n_features"] == 30_000


@pytest.fixture
def texts(folder):
    """The files that a journal keeps to be sent, by name."""

    def read(journal):
        found = {}
        for event in read_events(journal.path):
            if event["type"] == "artifact":
                assert event["path"].startswith(FILES)
                path = folder / event["path"]
                found[f"{event['folder']}/{path.name}".lstrip("/")] = path.read_text()
        return found

    return read


def test_present_files_are_logged_and_params_without_their_credentials(
    home, new_journal, workspace, texts
):
    (home / "params.yaml").write_text(PARAMS)
    write_json(workspace.reports / "validation.json", {"ok": True})
    (home / "data" / "schemas").mkdir(parents=True)
    (home / "data" / "schemas" / "houses.yaml").write_text("target: price\n")
    params, problems = parse_params(
        {
            "project": "houses",
            "fetch": {"source": "files"},
            "study": {"webhook": "https://hooks.example.org/abc", "every": 7},
        }
    )
    assert problems == []
    journal = new_journal()
    notes = log_files(journal, workspace, params)
    journal.end("FINISHED")
    assert notes == [
        "params.yaml holds a credential (study.webhook); MLflow gets a copy without it"
    ]
    found = texts(journal)
    assert set(found) == {"validation.json", "schema/houses.yaml", "params.yaml"}
    lines = found["params.yaml"].splitlines()
    assert lines[0] == "# notes: ftp://***@host"
    assert lines[4] == "  # whom to tell"
    assert lines[5].split("#")[0].split() == ["webhook:", "'***'"]
    assert lines[6] == "  every: 7"


def test_params_without_credentials_are_logged_byte_by_byte(home, new_journal, workspace, texts):
    text = PARAMS.replace("me:in-a-comment@", "").replace("webhook", "page")
    (home / "params.yaml").write_text(text)
    params, _ = parse_params({"project": "houses", "fetch": {"source": "files"}})
    journal = new_journal()
    assert log_files(journal, workspace, params) == []
    journal.end("FINISHED")
    assert texts(journal)["params.yaml"] == text


def test_the_lock_is_logged_as_far_as_it_is_of_this_run(home, new_journal, texts):
    journal = new_journal()
    log_dvc_lock(journal, home, before="train")  # none is there yet
    (home / "dvc.lock").write_text(LOCK)
    log_dvc_lock(journal, home, before="fetch")
    assert texts(journal) == {}
    log_dvc_lock(journal, home, before="train")
    assert texts(journal) == {"dvc.lock": LOCK[: LOCK.index("  train:")]}
    log_dvc_lock(journal, home, before="evaluate")
    assert texts(journal) == {"dvc.lock": LOCK}
    journal.end("FINISHED")


def test_a_param_longer_than_mlflow_takes_says_so():
    batch = Batch({})
    batch.add_param("train.options.widths", "x" * 7000)
    batch.add_param("train.epochs", "3")
    assert len(batch.params["train.options.widths"]) == 6000
    assert batch.tags == {
        "layerline.cut.train.options.widths": (
            "the first 6000 of 7000 characters; params.yaml has all"
        )
    }


def test_nothing_secret_enters_the_journal(new_journal, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "tr0ub4dor&3")
    journal = new_journal()
    journal.params({"retrain.token": "abc123xyz", "retrain.to": "https://u:abc123xyz@h"})
    journal.tags({"note": "tr0ub4dor&3 and https://u:abc123xyz@h"})
    journal.dataset(
        Dataset(name="d", digest="e", source="s3://u:abc123xyz@h/x", context="training", n_rows=3)
    )
    journal.end("FAILED", "no answer from https://u:abc123xyz@h, tr0ub4dor&3")
    text = journal.path.read_text()
    assert "abc123xyz" not in text
    assert "tr0ub4dor" not in text
    assert text.count("https://***@h") == 3
