import os
import time

from layerline.tracking.journal_lines import encode, in_order, read_events
from layerline.tracking.processes import is_gone, process_identity
from layerline.tracking.spool import (
    close_if_dead,
    lock_journal,
    mark_done,
    prune,
    sweep,
    waiting_journals,
)


def test_dead_writer_is_swept_as_killed_at_its_last_event(home, dead_writer):
    path = dead_writer("key-1")
    assert sweep(home) == [path]
    end = read_events(path)[-1]
    assert (end["type"], end["status"], end["seq"]) == ("end", "KILLED", 4)
    assert end["time_ms"] == read_events(path)[0]["time_ms"]  # the metrics were told with old times
    assert sweep(home) == []


def test_living_and_ended_writers_are_left_alone(home, new_journal):
    with new_journal("key-1"):
        new_journal("key-2", process={**process_identity(), "pid": 2**22 + 1}).end("FINISHED")
        assert sweep(home) == []


def test_journal_that_a_flusher_holds_is_not_swept(home, dead_writer):
    with lock_journal(dead_writer("key-1")) as mine:
        assert mine
        assert sweep(home) == []


def test_process_is_named_by_more_than_its_pid():
    me = process_identity()
    assert not is_gone(me, 0)
    assert is_gone({**me, "start_time": "1"}, 0)
    assert is_gone({**me, "boot_id": "an earlier one"}, 0)
    assert is_gone({**me, "pid": 2**22 + 1}, 0)


def test_process_of_another_host_is_gone_after_a_day_of_silence():
    other = {**process_identity(), "host": "elsewhere"}
    assert not is_gone(other, 3600)
    assert is_gone(other, 25 * 3600)


def test_zombie_counts_as_gone():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert process_identity(pid)["start_time"] is None
    os.waitpid(pid, 0)


def test_oldest_first_whatever_the_names(home, new_journal):
    for key, stage in [("k1", "train"), ("k2", "evaluate"), ("k3", "fetch")]:
        new_journal(key, stage=stage).end("FINISHED")
        time.sleep(0.002)
    assert [journal.key for journal in waiting_journals(home)] == ["k1", "k2", "k3"]


def test_done_ones_are_pruned_by_age(home, new_journal, folder, tmp_path):
    (tmp_path / "a").write_text("a")
    for key in ("old", "new"):
        with new_journal(key) as journal:
            journal.artifact(tmp_path / "a")
        with lock_journal(journal.path):
            mark_done(journal.path)
        assert not list(folder.glob(f".files/{journal.path.stem}/**/*"))
    old = next(folder.glob("*-old.jsonl.done"))
    fortnight_ago = time.time() - 15 * 24 * 3600
    os.utime(old, (fortnight_ago, fortnight_ago))
    assert prune(home) == [old]
    assert [path.name[-14:] for path in folder.glob("*.done")] == ["new.jsonl.done"]
    assert len(list(folder.glob(".locks/*"))) == 1


def set_clock_back(monkeypatch, seconds):
    now = time.time
    monkeypatch.setattr("layerline.tracking.journal.time.time", lambda: now() - seconds)


def test_a_clock_that_is_set_back_changes_no_order(home, new_journal, monkeypatch):
    """evaluate and register add to the run that train made, whatever the clock says."""
    for back, stage in enumerate(["train", "evaluate", "register"]):
        with monkeypatch.context() as patched:
            set_clock_back(patched, 3600 * back)
            new_journal("key-1", stage=stage, continues=stage != "train").end("FINISHED")
    new_journal("key-2", stage="fetch").end("FINISHED")
    stages = [journal.start["stage"] for journal in waiting_journals(home)]
    assert stages == ["train", "evaluate", "register", "fetch"]


def test_a_clock_that_is_set_back_lets_no_run_end_before_it_started(new_journal, monkeypatch):
    with new_journal() as journal:
        set_clock_back(monkeypatch, 3600)
        journal.tags({"a": "b"})
    times = [event["time_ms"] for event in read_events(journal.path)]
    assert times == sorted(times)


def test_journals_of_another_boot_are_ordered_by_the_clock(home, new_journal, monkeypatch):
    monkeypatch.setattr("layerline.tracking.journal.uptime_ms", lambda: 10**9)
    new_journal("key-1", stage="train").end("FINISHED")
    time.sleep(0.002)
    monkeypatch.setattr("layerline.tracking.journal.uptime_ms", lambda: 5)
    rebooted = {**process_identity(), "boot_id": "the next one"}
    for stage in ("evaluate", "register"):
        new_journal("key-1", process=rebooted, stage=stage, continues=True).end("FINISHED")
        time.sleep(0.002)
    stages = [journal.start["stage"] for journal in waiting_journals(home)]
    assert stages == ["train", "evaluate", "register"]


def test_a_training_that_is_logged_again_comes_before_what_was_added_to_it(home, new_journal):
    """The run belongs to train, though the journal of a failed register has waited for longer."""
    for stage in ("register", "train"):
        new_journal("key-1", stage=stage, continues=True).end("FINISHED")
        time.sleep(0.002)
    stages = [journal.start["stage"] for journal in waiting_journals(home)]
    assert stages == ["train", "register"]


def test_an_end_that_another_line_hides_is_none(new_journal):
    """As a signal once left it: the line before the end, and the end, had one number."""
    journal = new_journal()
    journal.tags({"a": "1"})
    start, *_ = read_events(journal.path)
    journal._file.close()
    hidden = {"seq": 1, "time_ms": start["time_ms"], "type": "end", "status": "KILLED"}
    hidden |= {"message": "", "n_lost": 0, "start": {**start, "process": {"host": "x"}}}
    first = {**start, "process": {**start["process"], "boot_id": "an earlier one"}}
    lines = [first, first, read_events(journal.path)[1], hidden]
    journal.path.write_bytes(b"".join(map(encode, lines)))
    assert close_if_dead(journal.path)
    last = in_order(read_events(journal.path))[-1]
    assert (last["seq"], last["type"], last["status"]) == (2, "end", "KILLED")
