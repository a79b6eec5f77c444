import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from layerline.errors import TrackingError
from layerline.tracking import database
from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.run_list import run_list
from layerline.tracking.store import (
    ensure_experiments,
    ensure_store,
    open_client,
    store_uri,
    tracking_uri,
)
from layerline.tracking.template import dump_fresh_store


def content(sql):
    """Schema and rows, free of how a Python version writes them down."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(sql)
        schema = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        tables = sorted(name for kind, name, _ in schema if kind == "table")
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    # Migrations name a table's constraints in an order that differs from process to process.
    return {
        (kind, name): sorted(line.strip(" ,\t") for line in (sql or "").splitlines())
        for kind, name, sql in schema
    }, rows


def test_template_is_what_a_real_migration_makes():
    shipped = database.resources.files("layerline.tracking").joinpath(database.TEMPLATE).read_text()
    fresh = dump_fresh_store()
    assert shipped.partition("\n")[0] == fresh.partition("\n")[0]
    assert content(shipped) == content(fresh)


def test_other_mlflow_than_the_templates_migrates(home, monkeypatch, query):
    monkeypatch.setattr(database, "template_header", lambda: "-- An empty store of mlflow 99")
    ensure_store(home)
    location = f"{home}/mlartifacts/0"
    assert query("SELECT name, artifact_location FROM experiments") == [("Default", location)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "sqlite:///{home}/mlflow.db"),
        ("sqlite:///runs/all.db", "sqlite:///{home}/runs/all.db"),
        ("sqlite:////srv/all.db", "sqlite:////srv/all.db"),
        ("sqlite:////srv/all%20runs.db", "sqlite:////srv/all runs.db"),
        ("http://tracking:5000", "http://tracking:5000"),
        ("postgresql://u:p@db/mlflow", "postgresql://u:p@db/mlflow"),
    ],
)
def test_uri_is_the_users_or_the_checkouts(home, monkeypatch, given, expected):
    if given:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert tracking_uri(home) == expected.format(home=home)


RACE = """
import json, sys
from pathlib import Path
from layerline.tracking.store import ensure_experiments, open_client
sys.stdin.readline()
home = Path(sys.argv[1])
client = open_client(home, create=True)
print(json.dumps(ensure_experiments(home, client, ["digits", "digits-data"])))
"""


@pytest.mark.slow
def test_four_processes_on_an_empty_store_agree(home, query):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(answers)) == 1
    names = [name for (name,) in query("SELECT name FROM experiments ORDER BY name")]
    assert names == ["Default", "digits", "digits-data"]


def test_deleted_experiment_is_restored(home):
    client = open_client(home, create=True)
    experiment_id = ensure_experiments(home, client, ["digits"])["digits"]
    client.delete_experiment(experiment_id)
    assert ensure_experiments(home, client, ["digits"]) == {"digits": experiment_id}
    assert client.get_experiment(experiment_id).lifecycle_stage == "active"


def test_experiments_carry_the_columns_of_their_list_also_those_of_earlier_releases(home):
    client = open_client(home, create=True)
    earlier = client.create_experiment("earlier")
    found = ensure_experiments(home, client, ["digits", "earlier"])
    assert found["earlier"] == earlier
    for experiment_id in found.values():
        tags = client.get_experiment(experiment_id).tags
        assert tags["mlflow.experimentKind"] == "custom_model_development"
        (name,) = (name for name in tags if name.startswith("mlflow.sharedViewState."))
        assert run_list(experiment_id).endswith(f"viewStateShareKey={name.rpartition('.')[2]}")
        assert "metrics.`test/accuracy`" in json.loads(tags[name])["selectedColumns"]


def test_moved_checkout_takes_its_artifacts_along(home, new_journal, tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with new_journal("key-1") as journal:
        journal.artifact(tmp_path / "report.json")
    assert flush(home).sent == 1
    moved = tmp_path / "moved"
    shutil.move(home, moved)

    client = open_client(moved)
    run_id = run_id_of(moved, "key-1")
    assert Path(client.download_artifacts(run_id, "report.json")).read_text() == "{}"
    new = client.create_run(ensure_experiments(moved, client, ["digits"])["digits"])
    assert new.info.artifact_uri.startswith(f"{moved}/mlartifacts/digits/")
    assert not home.exists()


def test_store_that_mlflow_made_keeps_its_places(home, query):
    database.migrate(home / "mlflow.db")
    before = query("SELECT artifact_location FROM experiments")
    ensure_store(home)
    assert query("SELECT artifact_location FROM experiments") == before


def test_dead_server_is_reported_without_credentials(home, monkeypatch, closed_port):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{closed_port}")
    with pytest.raises(TrackingError, match=f"127.0.0.1:{closed_port} does not answer") as caught:
        open_client(home)
    assert "secret" not in str(caught.value)


def test_a_database_that_vanishes_while_it_is_read_is_not_made_again(home, monkeypatch):
    ensure_store(home)
    database = home / "mlflow.db"
    monkeypatch.setattr("layerline.tracking.store.require_no_loss", lambda *_: database.unlink())
    assert store_uri(home) != f"sqlite:///{database}"
    assert not database.exists()
