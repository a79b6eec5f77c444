import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from layerline.tracking.flush import (
    FlushReport,
    flush,
    flush_until_end,
    follow,
    main,
    run_id_of,
)
from layerline.tracking.follower import start_follower
from layerline.tracking.journal import Dataset, Journal
from layerline.tracking.spool import lock_journal
from layerline.tracking.store import open_client

RUNS = "SELECT name, status, start_time, end_time FROM runs ORDER BY start_time"


def test_every_event_arrives(home, new_journal, query, tags_of, tmp_path):
    plots = tmp_path / "plots"
    plots.mkdir()
    (plots / "curve.png").write_bytes(b"png")
    with new_journal("data-1", stage="scale", experiment="digits-data", run_name="scale"):
        pass
    with new_journal() as journal:
        journal.params({f"train.option_{number}": number for number in range(250)})
        journal.tags({"why": "first run", "mlflow.source.git.commit": "abc"})
        journal.metrics({"loss": 0.5, "nan": float("nan")}, step=1, time_ms=1_000)
        for step in range(2, 1200):
            journal.metrics({"loss": 1 / step}, step=step)
        journal.artifact(plots)
        journal.artifact(plots / "curve.png", "more/plots")
        journal.dataset(
            Dataset(
                name="digits-train",
                digest="0" * 64,
                source="data/scaled",
                context="training",
                n_rows=1257,
                schema={"pixel_0": "double"},
            )
        )
        journal.link("layerline.run.scale", "data-1")

    assert flush(home) == FlushReport(sent=2, waiting=0)

    assert [row[:2] for row in query(RUNS)] == [("scale", "FINISHED"), ("first", "FINISHED")]
    assert all(start <= end for _, _, start, end in query(RUNS))
    assert query("SELECT count(*) FROM params") == [(250,)]
    assert query("SELECT count(*), count(DISTINCT step) FROM metrics") == [(1199, 1199)]
    assert query("SELECT value, timestamp, is_nan FROM metrics WHERE step = 1") == [(0.5, 1000, 0)]
    assert tags_of("key-1") == {
        "layerline.key": "key-1",
        "layerline.stage": "train",
        "layerline.nonfinite.nan": "nan at step 1",
        "mlflow.layerline.run.scale": run_id_of(home, "data-1"),
        "mlflow.runName": "first",
        "mlflow.source.git.commit": "abc",
        "why": "first run",
    }
    client = open_client(home)
    run = client.get_run(run_id_of(home, "key-1"))
    given = run.inputs.dataset_inputs[0]
    assert (given.dataset.name, given.dataset.profile) == ("digits-train", '{"num_rows": 1257}')
    assert given.tags[0].value == "training"
    for path in ("plots/curve.png", "more/plots/curve.png"):
        assert Path(client.download_artifacts(run.info.run_id, path)).read_bytes() == b"png"


def test_journals_are_sent_while_the_last_one_is_written(home, new_journal, query):
    open_client(home, create=True)
    with new_journal("trial-1", run_name="trial"):
        pass
    with new_journal("study-1", run_name="study") as journal:
        beside = threading.Thread(target=flush_until_end, args=(home, journal.path), daemon=True)
        beside.start()
        while "trial" not in [name for name, *_ in query(RUNS)]:
            assert beside.is_alive()
            time.sleep(0.05)
        assert [name for name, *_ in query(RUNS)] == ["trial"]
        journal.metrics({"trials": 1.0})
    beside.join(timeout=120)
    assert [row[:2] for row in query(RUNS)] == [("trial", "FINISHED"), ("study", "FINISHED")]
    assert query("SELECT value FROM metrics") == [(1.0,)]
    assert flush(home) == FlushReport(sent=0, waiting=0)


def test_names_and_values_that_mlflow_refuses_are_made_to_fit(home, new_journal, query, tags_of):
    with new_journal() as journal:
        journal.metrics({"valid/loss (log)": 1.0, "../up": 2.0, "/abs//path": 3.0})
        journal.params({"n" * 300: "v" * 7000})
        journal.tags({"layerline.long": "v" * 9000})
    assert flush(home).errors == ()
    names = {name for (name,) in query("SELECT key FROM metrics")}
    assert names == {"valid/loss _log_", "up", "abs/path"}
    assert query("SELECT length(key), length(value) FROM params") == [(250, 6000)]
    assert len(tags_of("key-1")["layerline.long"]) == 8000


@pytest.mark.parametrize("name", ["a%20b", "a?b"])
def test_a_folder_that_mlflow_would_misread_is_refused(name, tmp_path):
    home = tmp_path / name
    start = {"key": "key-1", "stage": "train", "experiment": "digits", "run_name": "first"}
    with Journal.create(home / ".layerline" / "journals", **start) as journal:
        journal.metrics({"loss": 0.5})
    report = flush(home)
    assert (report.sent, report.waiting) == (0, 1)
    assert "rename the folder" in report.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    home.rename(tmp_path / "a#b")
    assert flush(tmp_path / "a#b") == FlushReport(sent=1, waiting=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a#b"]


def test_nothing_to_send_needs_no_mlflow(home, python):
    code = (
        "import sys; from pathlib import Path; from layerline.tracking.flush import flush;"
        "print(flush(Path(sys.argv[1]))); print('mlflow' in sys.modules)"
    )
    report, has_mlflow = python(code, home).stdout.splitlines()
    assert report == repr(FlushReport(0, 0))
    assert has_mlflow == "False"


def test_later_stages_add_to_the_run_of_their_key(home, new_journal, query, tags_of):
    with new_journal() as journal:
        journal.params({"train.epochs": 60})
    assert flush(home).sent == 1
    ((_, _, start, end),) = query(RUNS)
    with new_journal(stage="evaluate", continues=True, run_name="ignored") as journal:
        journal.params({"train.epochs": 80, "evaluate.bootstrap": 1000})
        journal.metrics({"test/accuracy": 0.98})
    register = new_journal(stage="register", continues=True)
    register.end("FAILED", "the registry is down")
    assert flush(home).sent == 2

    # The training was right whatever came after it.
    assert query(RUNS) == [("first", "FINISHED", start, end)]
    params = query("SELECT key, value FROM params ORDER BY key")
    assert params == [("evaluate.bootstrap", "1000"), ("train.epochs", "60")]
    tags = tags_of("key-1")
    assert tags["layerline.changed.train.epochs"] == "80"
    assert tags["mlflow.layerline.evaluate.status"] == "FINISHED"
    assert tags["mlflow.layerline.register.status"] == "FAILED"
    assert tags["layerline.register.message"] == "the registry is down"


def test_training_that_goes_on_after_a_kill_is_one_run(home, new_journal, dead_writer, query):
    dead_writer("key-1")
    assert flush(home).sent == 1
    assert [row[1] for row in query(RUNS)] == ["KILLED"]
    second = new_journal(continues=True)
    second.metrics({"loss": 0.1}, step=3)
    assert flush(home) == FlushReport(sent=0, waiting=1)
    assert [row[1] for row in query(RUNS)] == ["RUNNING"]
    second.end("FINISHED")
    assert flush(home).sent == 1
    assert [row[1] for row in query(RUNS)] == ["FINISHED"]
    assert query("SELECT step FROM metrics ORDER BY step") == [(0,), (1,), (2,), (3,)]
    assert query("SELECT * FROM tags WHERE key = 'layerline.message'") == []


def test_killed_run_ends_at_its_last_event(home, dead_writer, query, tags_of):
    dead_writer("key-1")
    assert flush(home).sent == 1
    ((_, status, start, end),) = query(RUNS)
    assert (status, end) == ("KILLED", start)
    assert "the process was killed" in tags_of("key-1")["layerline.message"]


def test_journal_is_sent_piece_by_piece(home, new_journal, query):
    journal = new_journal()
    for step in range(4):
        journal.metrics({"loss": 1.0}, step=step)
        assert flush(home) == FlushReport(sent=0, waiting=1)
        assert query("SELECT count(*) FROM metrics") == [(step + 1,)]
    journal.end("FINISHED")
    assert flush(home) == FlushReport(sent=1, waiting=0)
    assert query("SELECT count(*) FROM metrics") == [(4,)]
    assert query("SELECT * FROM tags WHERE key LIKE 'layerline.cursor%'") == []


def test_link_waits_for_its_journal_and_says_when_none_comes(home, new_journal, tags_of):
    with new_journal("key-2") as journal:
        journal.link("layerline.run.scale", "data-1")
        journal.link("layerline.run.fetch", "data-0")
    data = new_journal("data-1", stage="scale")
    with lock_journal(data.path):
        assert flush(home) == FlushReport(sent=0, waiting=2)
    data.end("FINISHED")
    assert [flush(home).waiting, flush(home).waiting] == [1, 0]
    tags = tags_of("key-2")
    assert tags["mlflow.layerline.run.scale"] == run_id_of(home, "data-1")
    assert tags["mlflow.layerline.run.fetch"] == "not in this store: data-0"


def test_what_continues_a_run_waits_for_the_part_before(home, new_journal, query):
    first = new_journal(run_name="one")
    first.end("FINISHED")
    time.sleep(0.002)
    new_journal(continues=True, stage="evaluate", run_name="two").end("FINISHED")
    with lock_journal(first.path):
        assert flush(home) == FlushReport(sent=0, waiting=2)
    assert flush(home).sent == 2
    assert [row[0] for row in query(RUNS)] == ["one"]


def test_deleted_run_stays_deleted_but_a_later_stage_starts_anew(home, new_journal, query):
    journal = new_journal()
    flush(home)
    open_client(home).delete_run(run_id_of(home, "key-1"))
    journal.end("FINISHED")
    assert flush(home) == FlushReport(sent=1, waiting=0)
    assert run_id_of(home, "key-1") is None
    new_journal(stage="evaluate", continues=True, run_name="again").end("FINISHED")
    assert flush(home).sent == 1
    assert query("SELECT name, lifecycle_stage FROM runs ORDER BY start_time") == [
        ("first", "deleted"),
        ("again", "active"),
    ]


def test_lost_copy_of_an_artifact_is_reported(home, new_journal, folder, tags_of, tmp_path):
    (tmp_path / "card.md").write_text("card")
    with new_journal() as journal:
        journal.artifact(tmp_path / "card.md")
    shutil.rmtree(folder / ".files")
    assert flush(home).sent == 1
    assert tags_of("key-1")["layerline.missing.card.md"] == "its copy was removed"


def test_dead_server_costs_a_message_and_loses_nothing(
    home, new_journal, monkeypatch, capsys, closed_port
):
    with new_journal():
        pass
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    report = flush(home)
    assert (report.sent, report.waiting) == (0, 1)
    assert "does not answer" in report.errors[0]
    assert main(["--home", str(home)]) == 8
    assert "`layerline flush` sends it" in capsys.readouterr().err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["--home", str(home)]) == 0
    assert flush(home) == FlushReport(0, 0)


def test_hanging_server_is_waited_for_once(home, new_journal, monkeypatch):
    for key in ("key-1", "key-2", "key-3"):
        new_journal(key).end("FINISHED")
    monkeypatch.setattr("layerline.tracking.flush.SLOW_SECONDS", 0.5)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        report = flush(home)
    assert (report.sent, report.waiting, len(report.errors)) == (0, 3, 1)
    assert "MLflow's store hangs" in report.errors[0]


def test_one_bad_journal_does_not_hold_up_the_others(home, new_journal, query):
    bad = new_journal("key-bad", experiment="x" * 600)  # MLflow refuses it
    bad.end("FINISHED")
    new_journal("key-good").end("FINISHED")
    report = flush(home)
    assert (report.sent, report.waiting) == (1, 1)
    assert str(bad.path) in report.errors[0]
    assert query("SELECT count(*) FROM runs") == [(1,)]


def test_two_flushers_at_once(home, new_journal, query):
    for number in range(4):
        with new_journal(f"key-{number}", run_name=f"run-{number}") as journal:
            for step in range(200):
                journal.metrics({"loss": 0.5, "accuracy": 0.5}, step=step)
    command = [sys.executable, "-m", "layerline.tracking.flush", "--home", str(home)]
    flushers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [flusher.communicate(timeout=120)[1] for flusher in flushers]
    assert [flusher.returncode for flusher in flushers] == [0, 0], errors
    assert flush(home).waiting == 0
    assert len(query(RUNS)) == 4
    assert query("SELECT count(*) FROM metrics") == [(4 * 400,)]


def test_follower_shows_a_training_live_and_leaves_with_it(home, new_journal, folder, query):
    new_journal("data-1", stage="fetch", run_name="fetch").end("FINISHED")
    time.sleep(0.002)
    journal = new_journal()
    follower = start_follower(home, journal.path)
    journal.metrics({"loss": 1.0}, step=0)
    while not (home / "mlflow.db").exists() or query("SELECT count(*) FROM metrics") == [(0,)]:
        assert follower.poll() is None
        time.sleep(0.05)
    assert [row[:2] for row in query(RUNS)] == [("fetch", "FINISHED"), ("first", "RUNNING")]
    journal.metrics({"loss": 0.5}, step=1)
    journal.end("FINISHED")
    assert follower.wait(timeout=600) == 0  # it has the lowest priority
    assert query("SELECT step FROM metrics ORDER BY step") == [(0,), (1,)]
    assert [row[1] for row in query(RUNS)] == ["FINISHED", "FINISHED"]
    assert len(list(folder.glob("*.done"))) == 2
    assert (home / ".layerline" / "follower.log").read_text() == ""


TRAINING = """
import sys, time
from pathlib import Path
from layerline.tracking.journal import Dataset, Journal
from layerline.tracking.follower import start_follower
home = Path(sys.argv[1])
journal = Journal.create(home / ".layerline" / "journals", key="key-1", stage="train",
                         experiment="digits", run_name="doomed")
follower = start_follower(home, journal.path)
for step in range(5):
    journal.metrics({"loss": 1.0}, step=step)
print(follower.pid, flush=True)
time.sleep(600)
"""


def test_follower_of_a_killed_training_closes_its_run(home, folder, query):
    command = [sys.executable, "-c", TRAINING, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        follower = int(training.stdout.readline())
        training.kill()
    while Path(f"/proc/{follower}").exists() and not list(folder.glob("*.done")):
        time.sleep(0.1)
    assert [row[:2] for row in query(RUNS)] == [("doomed", "KILLED")]
    assert query("SELECT count(*) FROM metrics") == [(5,)]


def test_follower_without_a_server_gives_up_after_the_end(
    home, new_journal, monkeypatch, closed_port
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setattr("layerline.tracking.flush.FOLLOW_SECONDS", 0.01)
    with new_journal() as journal:
        pass
    follow(home, journal.path)
    assert journal.path.exists()


def test_a_training_owns_its_run_though_a_later_stage_was_sent_first(
    home, new_journal, query, tags_of
):
    with new_journal("key-1", stage="register", continues=True) as journal:
        journal.end("FAILED", "the store was lost")
    assert flush(home).sent == 1
    assert [row[1] for row in query(RUNS)] == ["FAILED"]
    with new_journal("key-1", stage="train", continues=True) as journal:
        journal.tags({"layerline.stage": "train"})
    assert flush(home).sent == 1
    assert [row[1] for row in query(RUNS)] == ["FINISHED"]
    with new_journal("key-1", stage="register", continues=True) as journal:
        journal.end("FAILED", "again")
    assert flush(home).sent == 1
    assert [row[1] for row in query(RUNS)] == ["FINISHED"]
    tags = tags_of("key-1")
    assert (tags["layerline.register.message"], tags["layerline.stage"]) == ("again", "train")
    assert "layerline.message" not in tags
