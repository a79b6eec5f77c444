"""A store that vanished or was emptied is not taken for a new one, and no reader creates one."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from layerline.errors import TrackingError
from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.store import ensure_store, open_client
from layerline.tracking.store_history import accept_new_store
from layerline.tracking.store_session import open_session


@pytest.fixture
def used(home, new_journal, tmp_path):
    """A checkout whose store has a run and an artifact."""
    (tmp_path / "report.json").write_text("{}")
    with new_journal("key-1") as journal:
        journal.artifact(tmp_path / "report.json")
    assert flush(home).sent == 1
    return home


def remove(home):
    (home / "mlflow.db").unlink()


def truncate(home):
    (home / "mlflow.db").write_bytes(b"")


def delete_rows(home):
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
            connection.execute(f"DELETE FROM {table}")


def drop_tables(home):
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("DROP TABLE runs")


LOSSES = (remove, truncate, delete_rows, drop_tables)


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_store_is_refused_by_readers_and_by_the_flush(used, new_journal, lose):
    lose(used)
    before = (used / "mlflow.db").read_bytes() if (used / "mlflow.db").exists() else None
    new_journal("key-2").end("FINISHED")
    with pytest.raises(TrackingError, match="layerline register --new-store") as caught:
        run_id_of(used, "key-1")
    assert caught.value.exit_code == 8
    with pytest.raises(TrackingError, match="restore it from a backup"):
        ensure_store(used)
    session = open_session(used, "reading", "fix it")
    with pytest.raises(TrackingError, match="runs were sent to it before"), session:
        pass
    report = flush(used)
    assert (report.sent, report.waiting) == (0, 1)
    assert "though runs were sent to it before" in report.errors[0]
    after = (used / "mlflow.db").read_bytes() if (used / "mlflow.db").exists() else None
    assert after == before


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ("mlartifacts/1/run/artifacts/report.json", "mlartifacts holds artifacts of its runs"),
        ("reports/registration.json", "registration.json describes a registered version"),
    ],
)
def test_without_a_record_what_the_runs_left_counts(home, new_journal, evidence, text):
    """As of a release that kept no record."""
    path = home / evidence
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(TrackingError, match=text):
        open_client(home)
    new_journal("key-1").end("FINISHED")
    assert text in flush(home).errors[0]
    assert not (home / "mlflow.db").exists()


FLUSH = (
    "import sys; from pathlib import Path; from layerline.tracking.flush import flush;"
    "print(flush(Path(sys.argv[1])).sent)"
)


def n_sent(home, python) -> int:
    """By a fresh process: MLflow keeps the file that was removed open in this one."""
    return int(python(FLUSH, home).stdout)


def test_a_store_put_back_goes_on(used, new_journal, query, python):
    backup = shutil.copy(used / "mlflow.db", used / "backup.db")
    remove(used)
    new_journal("key-2").end("FINISHED")
    assert flush(used).waiting == 1
    shutil.move(backup, used / "mlflow.db")
    assert n_sent(used, python) == 1
    assert query("SELECT count(*) FROM runs") == [(2,)]


def test_a_new_store_is_made_when_the_user_asks_for_it(used, new_journal, query, python):
    remove(used)
    accept_new_store(used, used / "mlflow.db")
    new_journal("key-2").end("FINISHED")
    assert n_sent(used, python) == 1
    assert query("SELECT count(*) FROM runs") == [(1,)]
    remove(used)
    with pytest.raises(TrackingError, match="runs were sent to it before"):
        open_client(used)


def test_another_store_that_the_user_names_is_not_held_against_the_first(
    used, new_journal, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    new_journal("key-2").end("FINISHED")
    assert flush(used).sent == 1
    (used / "other.db").unlink()
    with pytest.raises(TrackingError, match=r"other.db: missing, though runs were sent"):
        open_client(used)
    known = json.loads((used / ".layerline" / "stores.json").read_text())
    assert known == {"mlflow.db": "has runs", "other.db": "has runs"}


def test_a_checkout_that_never_had_a_store_is_read_as_an_empty_one(home):
    with open_session(home, "reading", "fix it") as client:
        assert [found.name for found in client.search_experiments()] == ["Default"]
    assert run_id_of(home, "key-1") is None
    assert list(home.iterdir()) == []


def test_a_reader_leaves_no_database_behind(home):
    code = (
        "import sys, tempfile; from pathlib import Path;"
        "from layerline.tracking.store import open_client;"
        "open_client(Path(sys.argv[1])); print(tempfile.gettempdir())"
    )
    environment = {"TMPDIR": str(home), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code, str(home)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(home)
    assert [path.name for path in home.iterdir() if "layerline" in path.name] == []
