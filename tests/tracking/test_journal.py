import json
import math
import os
from pathlib import Path

import pytest

from layerline.tracking.journal import Dataset, Journal
from layerline.tracking.journal_lines import read_events


def test_events_are_numbered_and_read_back_unchanged(new_journal, tmp_path):
    plot = tmp_path / "curve.png"
    plot.write_bytes(b"png")
    with new_journal(continues=True) as journal:
        journal.params({"train.epochs": 60, "train.widths": [256, 128], "train.transfer": None})
        journal.tags({"why": "first run"})
        journal.metrics({"loss": 0.1}, step=3, time_ms=5)
        journal.artifact(plot, "plots")
        journal.dataset(Dataset(name="d", digest="e", source="s", context="training", n_rows=3))
        journal.link("layerline.run.scale", "key-0")
    events = read_events(journal.path)

    assert [event["seq"] for event in events] == list(range(8))
    kinds = ["start", "params", "tags", "metrics", "artifact", "dataset", "link", "end"]
    assert [event["type"] for event in events] == kinds
    assert events[0]["continues"] is True
    assert events[1]["params"] == {
        "train.epochs": "60",
        "train.widths": "[256, 128]",
        "train.transfer": "null",
    }
    assert (events[3]["metrics"], events[3]["step"], events[3]["time_ms"]) == ({"loss": 0.1}, 3, 5)
    assert (events[7]["status"], events[7]["message"]) == ("FINISHED", "")


def test_file_name_has_time_stage_and_key(new_journal):
    journal = new_journal("0123456789abcdef")
    again = new_journal("0123456789abcdef")
    assert journal.path != again.path
    time, stage, key = journal.path.stem.split("-")
    assert (len(time), time[8], stage, key) == (15, "T", "train", "01234567")
    journal.end("FINISHED")
    again.end("FINISHED")


def test_artifact_is_what_it_was_when_logged(new_journal, folder, tmp_path):
    report = tmp_path / "report.json"
    report.write_text("then")
    plots = tmp_path / "plots"
    plots.mkdir()
    (plots / "a.png").write_text("a")
    with new_journal() as journal:
        journal.artifact(report)
        journal.artifact(plots)
        report.write_text("later")
    stored = [folder / e["path"] for e in read_events(journal.path) if e["type"] == "artifact"]
    assert stored[0].read_text() == "then"
    assert (stored[1] / "a.png").read_text() == "a"


def test_what_is_not_finite_becomes_a_tag_once(new_journal):
    with new_journal() as journal:
        for step in range(3):
            journal.metrics({"loss": math.inf, "accuracy": 0.5}, step=step)
        journal.metrics({"auc": math.nan})
    events = read_events(journal.path)
    tags = [event["tags"] for event in events if event["type"] == "tags"]
    assert tags == [
        {"layerline.nonfinite.loss": "inf at step 0"},
        {"layerline.nonfinite.auc": "nan"},
    ]
    metrics = [event["metrics"] for event in events if event["type"] == "metrics"]
    assert metrics == [{"accuracy": 0.5}] * 3


def test_killed_writer_leaves_every_whole_line(dead_writer):
    events = read_events(dead_writer("key-1"))
    assert [event["type"] for event in events] == ["start", "metrics", "metrics", "metrics"]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("no rows"), "FAILED", "ValueError: no rows"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (SystemExit(5), "FAILED", "SystemExit: 5"),
        (SystemExit(0), "FINISHED", ""),
    ],
)
def test_leaving_the_block_records_how(new_journal, error, status, message):
    with pytest.raises(type(error)), new_journal() as journal:
        raise error
    end = read_events(journal.path)[-1]
    assert (end["type"], end["status"], end["message"]) == ("end", status, message)


def test_end_is_once_and_last(new_journal):
    journal = new_journal()
    journal.end("FAILED", "x")
    journal.end("FINISHED")
    with pytest.raises(ValueError, match="after `end`"):
        journal.metrics({"loss": 1.0})
    assert read_events(journal.path)[-1]["status"] == "FAILED"


def test_run_is_named_after_the_dvc_experiment(new_journal, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "gouty-acid")
    with new_journal() as journal:
        pass
    assert read_events(journal.path)[0]["run_name"] == "gouty-acid"


def test_key_must_fit_a_file_name(folder):
    with pytest.raises(ValueError, match=r"key must be letters.*got '\.\./x'"):
        Journal.create(folder, key="../x", stage="train", experiment="e", run_name="r")


def test_full_disk_loses_lines_but_neither_the_run_nor_the_others(folder, python):
    code = """
import json, resource, signal, sys
from pathlib import Path
from layerline.tracking.journal import Dataset, Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1))
journal = Journal.create(Path(sys.argv[1]), key="k", stage="train", experiment="e", run_name="r")
for step in range(100):
    journal.metrics({"loss": 1.0}, step=step)
lost = journal.n_lost
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
journal.end("FINISHED")
print(json.dumps([str(journal.path), lost]))
"""
    done = python(code, folder)
    path, n_lost = json.loads(done.stdout)
    events = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert 0 < n_lost < 100
    assert len(events) == 103 - n_lost  # the start is there twice
    assert events[-1]["type"] == "end"
    assert done.stderr.count("tracking cannot write") == 1


@pytest.mark.parametrize(
    "module", ["journal", "source_tags", "follower", "spool", "flush", "journal_damage"]
)
def test_heavy_packages_stay_out(module, python):
    code = f"import sys, layerline.tracking.{module}; print(*sys.modules)"
    heavy = {"mlflow", "torch", "pandas", "sklearn", "sqlalchemy"}
    assert not heavy & set(python(code).stdout.split())


@pytest.mark.parametrize("n_cut", [0, 5])
def test_a_signal_between_a_line_and_its_counting_loses_nothing(new_journal, monkeypatch, n_cut):
    journal = new_journal()
    write = os.write

    def interrupted(descriptor: int, line: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        write(descriptor, line[: len(line) - n_cut])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt), journal:
        journal.tags({"a": "1"})
    events = read_events(journal.path)
    assert [event["type"] for event in events] == [
        "start",
        *(["tags"] if n_cut == 0 else []),
        "end",
    ]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["status"] == "KILLED"


def test_where_nothing_can_be_written_no_journal_is_left(new_journal, folder, monkeypatch):
    def interrupted(source: str, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        new_journal()
    assert not [path for path in folder.iterdir() if path.is_file()]
