import json
import os
import time

import pytest

from layerline.artifacts import journals_of
from layerline.tracking.journal import MAX_MESSAGE
from layerline.tracking.journal_lines import encode, read_events
from layerline.tracking.processes import process_identity

HOUR_MS = 3_600_000


def lose_journal(lab, key):
    for path in journals_of(lab.home).glob(f"*-{key[:8]}*"):
        path.unlink()


def left_running(lab, key, process, ago_hours=0.0):
    """A run that goes on as far as the store knows, told `ago_hours` ago, its journal lost."""
    journal = lab.journal(key)
    journal.tags({"layerline.stage": "train"})
    if process is not None:
        journal.tags({"layerline.process": json.dumps(process)})
    journal.metrics({"train_loss": 1.0}, step=1)
    earlier = round(time.time() * 1000 - ago_hours * HOUR_MS)
    events = [event | {"time_ms": earlier} for event in read_events(journal.path)]
    journal.path.write_bytes(b"".join(map(encode, events)))
    lab.flush()
    os.close(journal._file._descriptor)
    lose_journal(lab, key)
    assert lab.run(key).status == "RUNNING"
    return earlier


def dead_here():
    return {**process_identity(), "pid": 2**22 + 1}  # above the largest pid there can be


def sweep(lab, layerline, *arguments):
    result = layerline(lab, "runs", "--sweep", "--json", *arguments)
    return {one["name"]: (one["closed_as"], one["reason"]) for one in json.loads(result.stdout)}


def test_killed_processes_are_closed_and_live_ones_left(own_lab, writer, layerline):
    processes = {key: writer(key) for key in ("lives-on", "with-journal", "lost-journal")}
    own_lab.flush()
    for key in ("with-journal", "lost-journal"):
        processes[key].kill()
        processes[key].wait()
    lose_journal(own_lab, "lost-journal")
    rows = layerline(own_lab, "runs")
    assert own_lab.run("lost-journal").short in rows.stderr
    assert "RUNNING, but dead; `layerline runs --sweep` closes them" in rows.stderr
    assert "RUNNING, process gone" in rows.stdout

    found = sweep(own_lab, layerline)
    assert found.keys() == {"lives-on", "lost-journal"}  # the other journal closed its run itself
    pid = processes["lives-on"].pid
    assert found["lives-on"] == (None, f"still running: its process {pid} is alive")
    lost = own_lab.run("lost-journal")
    assert (lost.status, found["lost-journal"][0]) == ("KILLED", "KILLED")
    message = lost.tags["layerline.message"]
    assert message.startswith("closed by `layerline runs --sweep`: its process")
    assert message.endswith("is gone, and its journal is lost")
    assert len(message) < MAX_MESSAGE
    assert lost.start_ms <= lost.end_ms < time.time() * 1000 + 1
    assert own_lab.run("with-journal").status == "KILLED"
    assert own_lab.run("lives-on").status == "RUNNING"
    assert sweep(own_lab, layerline).keys() == {"lives-on"}


def test_a_run_without_its_tag_is_known_by_the_journal_that_is_there(own_lab, writer, layerline):
    writer("untagged")
    own_lab.flush()
    own_lab.client.delete_tag(own_lab.run_id("untagged"), "layerline.process")
    assert sweep(own_lab, layerline)["untagged"][1].startswith("still running: its process")


def test_a_run_ends_when_it_was_last_heard_of(own_lab, layerline):
    earlier = left_running(own_lab, "dead", dead_here(), ago_hours=2)
    assert sweep(own_lab, layerline)["mlp-dead"][0] == "KILLED"
    assert own_lab.run("dead").end_ms == earlier


def test_another_machine_is_left_alone_until_the_user_gives_it_up(own_lab, layerline):
    left_running(own_lab, "far", {**process_identity(), "host": "node7"}, ago_hours=100)
    status, reason = sweep(own_lab, layerline)["mlp-far"]
    assert status is None
    assert "another machine, node7; its last event is 4 days old" in reason
    assert "--lost-host node7" in reason
    assert sweep(own_lab, layerline, "--lost-host", "node8")["mlp-far"][0] is None
    status, reason = sweep(own_lab, layerline, "--lost-host", "node7")["mlp-far"]
    assert (status, own_lab.run("far").status) == ("KILLED", "KILLED")
    assert "its machine, node7, is gone permanently (--lost-host)" in reason


@pytest.mark.parametrize(("hours", "status"), [(1, None), (25, "KILLED")])
def test_a_run_of_which_nothing_is_known_is_closed_after_a_day(own_lab, layerline, hours, status):
    left_running(own_lab, "unknown", None, ago_hours=hours)
    found, reason = sweep(own_lab, layerline)["mlp-unknown"]
    assert found == status
    assert "its journal is lost, its process is unknown" in reason
    assert own_lab.run("unknown").status == (status or "RUNNING")


def test_a_store_from_a_backup_learns_the_end_from_the_journal(own_lab, layerline):
    own_lab.client.update_run(own_lab.run_id("four"), status="RUNNING")
    own_lab.client.update_run(own_lab.run_id("scale-d1"), status="RUNNING")
    found = sweep(own_lab, layerline)
    assert found["mlp-four"] == ("KILLED", "as in its journal, which was sent long ago")
    assert found["scale-scale-d1"][0] == "FINISHED"
    assert own_lab.run("scale-d1").status == "FINISHED"


def test_a_journal_that_waits_is_left_to_tell_its_end(own_lab, layerline):
    left_running(own_lab, "late", dead_here())
    # Ended, and not sent yet: an older journal of the same run is at another flusher.
    from layerline.tracking.spool import lock_journal

    journal = own_lab.journal("late", process=dead_here(), continues=True)
    journal.end("FINISHED")
    with lock_journal(journal.path) as mine:
        assert mine
        status, reason = sweep(own_lab, layerline)["mlp-late"]
    assert (status, reason) == (None, "its journal waits to be sent, and has its end")


def test_runs_of_other_tools_are_left_alone(own_lab, layerline):
    client = own_lab.client
    experiment = client.get_experiment_by_name("digits").experiment_id
    run_id = client.create_run(experiment, run_name="notebook").info.run_id
    result = layerline(own_lab, "runs", "--sweep")
    assert result.stdout == "no dead runs\n"
    assert f"left alone because other tools made them: {run_id[:8]} notebook" in result.stderr
    assert client.get_run(run_id).info.status == "RUNNING"


def test_in_words(own_lab, layerline):
    left_running(own_lab, "dead", dead_here())
    short = own_lab.run("dead").short
    output = layerline(own_lab, "runs", "--sweep").stdout
    assert output.startswith(f"{short} mlp-dead of digits: closed as KILLED: its process 4194305")
