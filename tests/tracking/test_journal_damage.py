"""Real journals, damaged by seed: nothing is lost silently, doubled, or held up."""

import contextlib
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from old_journals import old_lines

from layerline.cli import main
from layerline.tracking.flush import FlushReport, flush
from layerline.tracking.journal import Dataset
from layerline.tracking.journal_damage import describe, unreported_damage
from layerline.tracking.journal_lines import Event, read_journal
from layerline.tracking.replay import Replay
from layerline.tracking.store import open_client

Damage = Callable[[random.Random, bytes], bytes]
N_STEPS = 12


def flip(rng: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def cut_middle(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 400) :]


def cut_end(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randrange(1, 200)) + data[at:]


def zero_page(rng: random.Random, data: bytes) -> bytes:
    size = rng.choice([512, 4096])
    at = rng.randrange(0, len(data), size)
    n = min(size, len(data) - at)
    return data[:at] + bytes(n) + data[at + n :]


def duplicate_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def swap_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    one, other = rng.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


DAMAGES: tuple[Damage, ...] = (
    flip,
    cut_middle,
    cut_end,
    insert,
    zero_page,
    duplicate_line,
    swap_lines,
)


@pytest.fixture
def write(new_journal, tmp_path):
    """Write a journal of a process that is gone, with events of every kind."""
    gone = {"host": socket.gethostname(), "boot_id": "an earlier one", "pid": 1, "start_time": "1"}
    report = tmp_path / "report.json"
    report.write_text("{}")

    def journal(key: str) -> Path:
        with new_journal(key, process=gone) as written:
            written.params({f"param.{number}": number for number in range(9)})
            for step in range(N_STEPS):
                written.metrics({"loss": 1.0 / (step + 1)}, step=step)
            written.tags({"mood": "good"})
            written.artifact(report)
            written.dataset(Dataset("d", "e", "s", "training", 3))
        return written.path

    return journal


def metrics_of(events: list[Event]) -> set[tuple[int, float]]:
    found = [event for event in events if event["type"] == "metrics"]
    return {(event["step"], event["metrics"]["loss"]) for event in found}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_journals_arrive_as_far_as_they_are_readable(home, write, query, damage):
    """The damaged ones of one kind, and healthy ones between them, in one flush."""
    whole = read_journal(write("template")).events
    keys, readable = {}, {}
    for seed in range(43):
        path = write(f"key-{seed}-{damage.__name__}")
        data = damage(random.Random(seed), path.read_bytes())
        path.write_bytes(data)
        keys[path.name] = f"key-{seed}-{damage.__name__}"
        readable[path.name] = read_journal(path).events
    write("healthy")
    report = flush(home)

    assert report.errors == ()
    assert report.waiting == 0
    assert flush(home) == FlushReport(0, 0)
    aside = {p.name.removesuffix(".damaged"): p for p in path.parent.glob("*.damaged")}
    messages = unreported_damage(home)
    assert len(messages) == len(aside)
    assert unreported_damage(home) == []
    assert stored(query, "healthy") == metrics_of(whole)
    for name, key in keys.items():
        arrived = stored(query, key)
        if not any(
            message.startswith(f"{name}: damaged on disk: the start") for message in messages
        ):
            assert arrived == metrics_of(readable[name]), (name, key)
        check_nothing_is_silent(query, key, arrived == metrics_of(whole), name in aside)


def stored(query, key: str) -> set[tuple[int, float]]:
    sql = (
        "SELECT step, value FROM metrics WHERE key = 'loss' AND run_uuid ="
        " (SELECT run_uuid FROM tags WHERE key = 'layerline.key' AND value = ?)"
    )
    rows = query(sql, key)
    assert len(rows) == len(set(rows)), "doubled"
    return set(rows)


def check_nothing_is_silent(query, key: str, is_whole: bool, is_aside: bool) -> None:
    """What did not arrive is set aside and tagged, or the run says that it was killed."""
    sql = (
        "SELECT r.status, r.run_uuid FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid"
        " WHERE t.key = 'layerline.key' AND t.value = ?"
    )
    found = query(sql, key)
    assert len(found) <= 1
    if not found:
        assert is_aside
        return
    (status, run_id) = found[0]
    tags = dict(query("SELECT key, value FROM tags WHERE run_uuid = ?", run_id))
    assert not [name for name in tags if "cursor" in name]
    assert ("layerline.damaged.train" in tags) == is_aside
    if not is_whole:
        assert is_aside or status == "KILLED"
    assert status in ("FINISHED", "KILLED")


def test_the_run_and_the_terminal_name_what_is_missing(home, write, tags_of):
    path = write("key-1")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"loss"', b'"lose"')
    del lines[7]
    path.write_bytes(b"".join(lines))
    assert flush(home) == FlushReport(sent=1, waiting=0)
    text = "1 damaged line, 2 events missing (3, 6)"
    aside = path.with_name(path.name + ".damaged")
    assert tags_of("key-1")["layerline.damaged.train"] == f"{text}; set aside in {aside}"
    (message,) = unreported_damage(home)
    assert message.startswith(f"{path.name}: damaged on disk: {text}; what was readable is in")
    assert aside.read_bytes() == b"# " + text.encode() + b"\n" + lines[4]


@pytest.mark.parametrize("end", [b"", b"\x0b", bytes(40)])
def test_a_last_line_that_is_incomplete_is_damage(home, write, monkeypatch, end):
    path = write("key-1")
    content = path.read_bytes()
    path.write_bytes(content[:-2] + end)
    monkeypatch.setenv("DVC_ROOT", str(home))
    done = CliRunner().invoke(main, ["flush"])
    assert done.stdout == "1 journal sent, 0 waiting\n"
    assert f"tracking: {path.name}: damaged on disk: 1 damaged line;" in done.stderr
    aside = path.with_name(path.name + ".damaged").read_bytes()
    assert aside.endswith(content.splitlines()[-1][:-1] + end + b"\n")
    assert flush(home) == FlushReport(sent=0, waiting=0)


def test_a_journal_without_any_start_is_set_aside_and_named(home, write, new_journal):
    path = write("key-1")
    path.write_bytes(b"\0" * 4096)
    with new_journal("key-2"):
        flush(home)
        assert not path.exists()
        (message,) = unreported_damage(home)
    assert "the start of this journal is damaged" in message
    assert flush(home) == FlushReport(sent=1, waiting=0)


def test_a_journal_that_is_being_written_is_not_set_aside(home, new_journal):
    with new_journal("key-1") as journal:
        data = journal.path.read_bytes()
        with journal.path.open("r+b") as file:
            file.write(b"\0" * (len(data) - 1))
        flush(home)
        assert journal.path.exists()
    flush(home)
    (message,) = unreported_damage(home)
    assert ": 1 damaged line; what was readable is in MLflow" in message
    assert list(journal.path.parent.glob("*.done")), "the end has a copy of the start"


def test_events_behind_a_gap_wait_for_the_journal_to_end(home, write, query):
    """A cursor that passed an event would lose it."""
    path = write("key-1")
    lines = path.read_bytes().splitlines(keepends=True)
    *before, third, fourth = lines[:6]
    path.write_bytes(b"".join([*before, fourth, third]))
    client = open_client(home, create=True)
    replay = Replay(home, client, path)
    replay.read()
    path.write_bytes(b"".join([*before, fourth]))
    late = Replay(home, client, path)
    late.read()
    assert not late.send()
    assert len(stored(query, "key-1")) == 1
    assert not replay.send()
    assert len(stored(query, "key-1")) == 3


def test_a_journal_of_an_earlier_release_that_is_damaged_holds_up_nothing(home, folder, tags_of):
    folder.mkdir(parents=True)
    data = old_lines()
    (folder / "a.jsonl").write_bytes(data.replace(b'"step": 1', b'"stop": 1'))
    (folder / "b.jsonl").write_bytes(data.replace(b'"key": "k"', b'"kez": "k"'))
    report = flush(home)
    assert (report.errors, report.waiting) == ((), 0)
    assert tags_of("k")["layerline.damaged.train"].startswith("1 damaged line;")
    assert len(unreported_damage(home)) == 2


def test_what_a_full_disk_lost_is_tagged(home, new_journal, tags_of, monkeypatch):
    with new_journal() as journal:
        with monkeypatch.context() as patched, contextlib.suppress(OSError):
            patched.setattr("os.write", lambda *_: 0)
            journal.metrics({"loss": 1.0})
        journal.metrics({"loss": 2.0}, step=1)
    flush(home)
    assert tags_of("key-1")["layerline.lost.train"].startswith("1 events could not be written")
    assert "layerline.damaged.train" not in tags_of("key-1")


@pytest.mark.parametrize(
    ("n_lines", "missing", "text"),
    [
        (0, [], ""),
        (1, [], "1 damaged line"),
        (2, [4], "2 damaged lines, 1 event missing (4)"),
        (0, range(1, 13), "12 events missing (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...)"),
    ],
)
def test_damage_in_words(n_lines, missing, text):
    assert describe(n_lines, missing) == text
