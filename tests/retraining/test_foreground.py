"""The foreground's scheduler: due times, a run that was missed, and a signal that ends it."""

import datetime
import json
import signal
import subprocess
import sys

import pytest
from checkouts import make_checkout

from layerline.artifacts import Workspace
from layerline.errors import ParamsError
from layerline.retraining.foreground import due, keep_retraining
from layerline.retraining.log import UNCHANGED, Record, append
from layerline.retraining.scheduler_files import EVERY, Every, Times


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("times", "moment", "expected"),
    [
        (Times("hour", "03:15", "Asia/Kolkata"), "2024-01-10T10:00", "2024-01-10T10:45"),
        (Times("day"), "2024-01-10T03:30", "2024-01-11T03:30"),
        (Times("day", "03:30", "Europe/Berlin"), "2024-03-30T12:00", "2024-03-31T01:30"),
        (Times("day", "02:30", "Europe/Berlin"), "2024-03-30T12:00", "2024-03-31T01:30"),
        (Times("day", "02:30", "Europe/Berlin"), "2024-10-27T00:30", "2024-10-28T01:30"),
        (Times("weekday", "23:00"), "2024-01-12T23:00", "2024-01-15T23:00"),
        (Times("week"), "2024-01-10T00:00", "2024-01-15T03:30"),
        (Times("month"), "2024-01-31T00:00", "2024-02-01T03:30"),
    ],
)
def test_the_next_time_is_that_of_the_clock_on_the_wall(times, moment, expected):
    assert times.next_after(utc(moment)) == utc(expected)


@pytest.mark.parametrize("every", EVERY)
def test_times_rise(every: Every):
    times, moment = Times(every, "02:30", "America/New_York"), utc("2024-02-20T00:00")
    found = [moment := times.next_after(moment) for _ in range(50)]
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (Times("day", "25:00"), "--at: must be"),
        (Times("day", timezone="Ulm"), "--timezone: unknown"),
    ],
)
def test_a_wrong_time_is_refused_before_anything_runs(times, message, tmp_path):
    with pytest.raises(ParamsError, match=message):
        keep_retraining(Workspace(tmp_path), times, [], print)
    assert not list(tmp_path.iterdir())


def test_a_time_zone_that_does_not_exist_is_refused():
    with pytest.raises(ParamsError, match="did you mean 'Europe/Berlin'"):
        Times("day", "03:30", "Europe/Berlim").next_after(utc("2024-01-01T00:00"))


def test_a_run_that_was_missed_is_due_and_one_from_the_future_is_not_trusted(tmp_path):
    workspace, times = Workspace(tmp_path), Times("day")
    now = datetime.datetime.now(datetime.UTC)
    assert due(workspace, times) <= datetime.datetime.now(datetime.UTC)
    for days, is_due in ((2, True), (0, False), (-400, False)):
        started = (now - datetime.timedelta(days=days)).isoformat(timespec="seconds")
        record = Record(
            started=started, seconds=1, outcome=UNCHANGED, exit_code=0, message="nothing is new"
        )
        append(workspace, record)
        found = due(workspace, times)
        assert (found < now) == is_due
        assert found < now + datetime.timedelta(days=2)


def test_it_runs_at_once_and_waits_until_a_signal_ends_it(tmp_path):
    checkout = make_checkout(tmp_path / "shop")
    checkout.edit_params(fetch={"source": "files", "options": {"path": "a.csv"}, "target": "y"})
    code = "from layerline.cli import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", code, "retrain", "--every", "month"]
    with subprocess.Popen(
        command, cwd=checkout.root, env=checkout.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if line.startswith("the next run is at"):
                break
        process.send_signal(signal.SIGTERM)
        told += process.stderr
        assert process.wait(timeout=300) == 143
    assert "nothing runs any more" in told[-1]
    (line,) = (checkout.root / "reports" / "retrain.jsonl").read_text().splitlines()
    assert json.loads(line)["outcome"] == "failed"
    assert "-01 03:30 UTC" in "".join(told)
