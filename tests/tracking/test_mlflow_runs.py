import os
import time

import pytest

from layerline.tracking.flush import FlushReport, flush, run_id_of
from layerline.tracking.mlflow_runs import possible_duplicates
from layerline.tracking.store import open_client

ACTIVE = "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active'"


@pytest.fixture
def sent(home, new_journal):
    """The MLflow run of a journal that was sent, and a request that makes another of its key."""
    with new_journal() as journal:
        journal.metrics({"loss": 1.0}, step=0)
    assert flush(home) == FlushReport(sent=1, waiting=0)
    client = open_client(home)
    run = client.get_run(run_id_of(home, "key-1"))

    def make_again(**tags):
        kept = {name: run.data.tags[name] for name in ("layerline.key", "layerline.stage")}
        # An earlier start: it would be found first, if it held anything.
        made = client.create_run(run.info.experiment_id, start_time=1, tags=kept | tags)
        return made.info.run_id

    return run.info.run_id, make_again


def leave_doubt(folder):
    (folder / ".doubts").mkdir(exist_ok=True)
    (folder / ".doubts" / "key-1").touch()


def test_bare_run_of_a_doubtful_key_is_deleted(home, folder, sent, query):
    run_id, make_again = sent
    leave_doubt(folder)
    make_again()
    assert run_id_of(home, "key-1") == run_id
    assert flush(home) == FlushReport(0, 0)
    assert query(ACTIVE) == [(run_id,)]


def test_what_holds_something_is_never_deleted(home, folder, sent, query):
    run_id, make_again = sent
    leave_doubt(folder)
    other = make_again(**{"layerline.why.train": "a user copied it"})
    assert flush(home) == FlushReport(0, 0)
    assert set(query(ACTIVE)) == {(run_id,), (other,)}


def test_without_a_doubt_nothing_is_asked_or_deleted(home, sent, query):
    run_id, make_again = sent
    other = make_again()
    assert not possible_duplicates(home)
    assert flush(home) == FlushReport(0, 0)
    assert set(query(ACTIVE)) == {(run_id,), (other,)}


def test_doubt_ends_after_an_hour(home, folder, sent):
    leave_doubt(folder)
    flush(home)
    (marker,) = possible_duplicates(home)
    hours_ago = time.time() - 2 * 3600
    os.utime(marker, (hours_ago, hours_ago))
    flush(home)
    assert not possible_duplicates(home)


def test_request_that_fails_leaves_a_doubt(home, new_journal, monkeypatch):
    from mlflow import MlflowClient

    def time_out(*arguments, **options):
        raise TimeoutError("read timed out")

    with new_journal():
        pass
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", time_out)
        assert "read timed out" in flush(home).errors[0]
    assert [marker.name for marker in possible_duplicates(home)] == ["key-1"]
    assert flush(home) == FlushReport(sent=1, waiting=0)
    assert [marker.name for marker in possible_duplicates(home)] == ["key-1"]  # it may still come
