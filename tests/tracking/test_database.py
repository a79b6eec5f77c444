import sqlite3
from contextlib import closing

import pytest

from layerline.errors import TrackingError
from layerline.tracking.flush import FlushReport, flush
from layerline.tracking.store import ensure_store, open_client


def set_revision(home, revision):
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])


def test_database_of_another_mlflow_is_left_alone(home, new_journal, query):
    ensure_store(home)
    ((ours,),) = query("SELECT version_num FROM alembic_version")
    set_revision(home, "0123456789ab")
    query("DROP TABLE input_tags")  # an older one has fewer tables, which MLflow would add
    before = (home / "mlflow.db").read_bytes()
    new_journal().end("FINISHED")
    report = flush(home)
    assert (report.sent, report.waiting, len(report.errors)) == (0, 1, 1)
    assert "mlflow.db: has the tables of another MLflow (schema 0123456789ab; 3." in str(
        report.errors[0]
    )
    assert "`mlflow db upgrade sqlite:///" in report.errors[0]
    with pytest.raises(TrackingError, match="another MLflow"):
        open_client(home)
    assert (home / "mlflow.db").read_bytes() == before
    set_revision(home, ours)
    query("CREATE TABLE input_tags (input_uuid VARCHAR(36), name VARCHAR(255), value VARCHAR(500))")
    assert flush(home) == FlushReport(sent=1, waiting=0)


def test_empty_file_is_made_a_store_by_mlflow(home, query):
    (home / "mlflow.db").touch()
    open_client(home, create=True)
    assert query("SELECT name FROM experiments") == [("Default",)]


def test_killed_while_it_was_made_it_is_made_again(home, query):
    (home / ".mlflow.db.1.tmp").write_bytes(b"SQLite format 3\0 and then nothing")
    ensure_store(home)
    assert query("SELECT name FROM experiments") == [("Default",)]
