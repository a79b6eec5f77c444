"""SIGKILL of stage, flusher and server at random moments: nothing lost, doubled or left RUNNING."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from arrivals import check_arrivals, told
from checkouts import make_checkout
from servers import TrackingServer

from layerline.tracking.flush import flush

# Journals as a training does, and says what it has told.
TRAINING = """
import sys, time
from pathlib import Path
from layerline.tracking.follower import start_follower
from layerline.tracking.journal import Dataset, Journal
home, key, report = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
journal = Journal.create(home / ".layerline" / "journals", key=key, stage="train",
                         experiment="digits", run_name=key)
print(start_follower(home, journal.path).pid, flush=True)
journal.params({f"p{number}": number for number in range(120)})
journal.artifact(report, "early")
for step in range(200):
    journal.metrics({"loss": 1 / (step + 1), "accuracy": step / 200}, step=step)
    print(step, flush=True)
    time.sleep(0.01)
journal.dataset(Dataset(name="d", digest="e", source="s", context="training", n_rows=3))
journal.artifact(report)
journal.end("FINISHED")
"""
N_STEPS = 200
SPAN_SECONDS = 4.0  # a training of 2 s, and what its follower needs to import MLflow and to send


@dataclass
class Moments:
    """Trainings in a checkout, each with one process killed."""

    home: Path
    report: Path
    chance: random.Random
    server: TrackingServer | None = None

    def strike(self, key: str, victim: str) -> int:
        """Start a training, kill a process at some moment; return the number of steps it told."""
        command = [sys.executable, "-c", TRAINING, str(self.home), key, str(self.report)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
            follower = int(training.stdout.readline())
            time.sleep(self.chance.uniform(0, SPAN_SECONDS))
            self._kill(victim, training, follower)
            return len(training.communicate(timeout=120)[0].splitlines())

    def _kill(self, victim: str, training: "subprocess.Popen[str]", follower: int) -> None:
        if victim == "server":
            self.server.kill()
            self.server.launch()  # the next trainings may come before it is ready
        else:
            with contextlib.suppress(ProcessLookupError):  # it was through already
                os.kill(training.pid if victim == "stage" else follower, signal.SIGKILL)

    def next_start(self) -> None:
        """What comes next sends the rest, as the next stage's flush would."""
        if self.server is not None:
            self.server.wait()
        until = time.monotonic() + 240
        while (report := flush(self.home, wait_seconds=60)).waiting:
            assert time.monotonic() < until, report


@pytest.fixture
def moments(home, tmp_path) -> Iterator[Moments]:
    report = tmp_path / "report.json"
    report.write_text("{}")
    yield Moments(home, report, random.Random(7))
    for process in psutil.process_iter(["cmdline"]):  # followers that still wait for a server
        if str(home) in (process.info["cmdline"] or []):
            process.kill()


def check(moments: Moments, n_told: dict[str, int], victims: list[str], store: str) -> None:
    artifacts = None if moments.server is None else moments.server.artifacts
    check_arrivals(moments.home, store, artifacts)
    steps, status = {}, {}
    for key, events in told(moments.home):
        steps[key] = sum(event["type"] == "metrics" for event in events)
        status[key] = events[-1]["status"]
    for (key, n), victim in zip(n_told.items(), victims, strict=True):
        # The line that was being written may have been told, or not.
        assert n <= steps[key] <= n + 1
        is_killed = victim == "stage" and steps[key] < N_STEPS
        assert status[key] in ({"KILLED"} if is_killed else {"FINISHED", "KILLED"})
        assert status[key] == "FINISHED" or victim == "stage"


@pytest.mark.parametrize("n_rounds", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_stage_and_flusher_killed_on_sqlite(moments, n_rounds):
    victims = ["stage", "flusher"] * n_rounds
    told = {f"key-{n}": moments.strike(f"key-{n}", victim) for n, victim in enumerate(victims)}
    moments.next_start()
    check(moments, told, victims, f"sqlite:///{moments.home}/mlflow.db")


@pytest.mark.slow
@pytest.mark.parametrize("n_rounds", [1, 10])
def test_stage_flusher_and_server_killed(moments, tmp_path, monkeypatch, n_rounds):
    victims = ["server", "stage", "flusher"] * n_rounds
    with TrackingServer(tmp_path / "server") as moments.server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", moments.server.uri)
        told = {}
        for number, victim in enumerate(victims):
            if victim == "server":
                moments.server.wait()
            told[f"key-{number}"] = moments.strike(f"key-{number}", victim)
        moments.next_start()
        check(moments, told, victims, f"sqlite:///{moments.server.database}")


@pytest.mark.slow
def test_real_training_killed_and_run_again(tmp_path):
    checkout = make_checkout(tmp_path / "checkout")
    checkout.edit_params(train__epochs=60, train__early_stopping=None)
    checkout.run("dvc", "repro", "scale")
    chance = random.Random(7)
    journals = checkout.root / ".layerline" / "journals"
    for n_killed in range(1, 4):
        training = subprocess.Popen(
            [sys.executable, "pipeline/train.py"], cwd=checkout.root, env=checkout.environment
        )
        while len(list(journals.glob("*-train-*"))) < n_killed:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 3))
        training.kill()
        training.wait()
    checkout.run("dvc", "repro", "train")
    network = (checkout.root / "models" / "network" / "network.safetensors").read_bytes()
    checkout.run("dvc", "repro", "-f", "-s", "train")
    assert (checkout.root / "models" / "network" / "network.safetensors").read_bytes() == network
    checkout.run("layerline", "flush")
    check_arrivals(checkout.root, f"sqlite:///{checkout.root}/mlflow.db")
    ends = [
        events[-1]["status"] for _, events in told(checkout.root) if events[0]["stage"] == "train"
    ]
    assert ends[-2:] == ["FINISHED"] * 2
    assert "KILLED" in ends
