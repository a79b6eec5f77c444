"""The server is down, slow, killed or out of disk: a training ends alike, and comes later."""

import json
import os
import socket
import subprocess
import sys
import time

import psutil
import pytest
from arrivals import check_arrivals, select
from checkouts import Checkout, make_checkout
from servers import SlowProxy, TrackingServer, free_port

from layerline.tracking.flush import FlushReport, flush

RESULTS = ("models/network/network.safetensors", "models/network/spec.json", "reports/history.csv")
REMEDY = "`layerline flush` sends it"
SHORT, LONG = 20, 1200  # epochs: LONG outlasts the start of a follower that gives way to others


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    made = make_checkout(tmp_path_factory.mktemp("outages") / "checkout")
    for stage in ("fetch", "validate", "scale"):
        made.stage(stage)
    made.run("layerline", "flush")
    return made


@pytest.fixture
def server(tmp_path):
    with TrackingServer(tmp_path / "server") as running:
        yield running


def results(checkout: Checkout) -> list[bytes]:
    return [(checkout.root / name).read_bytes() for name in RESULTS]


def results_without_tracking(checkout: Checkout, epochs: int) -> list[bytes]:
    checkout.edit_params(train__epochs=epochs, train__early_stopping=None)
    checkout.stage("train", LAYERLINE_TRACKING="off")
    return results(checkout)


def wait_for_followers(checkout: Checkout) -> None:
    until = time.monotonic() + 180
    while any(
        "--follow" in (process.info["cmdline"] or []) and process.info["cwd"] == str(checkout.root)
        for process in psutil.process_iter(["cmdline", "cwd"])
    ):
        assert time.monotonic() < until, "a follower does not end"
        time.sleep(0.2)


def check_training_arrived(checkout: Checkout, server: TrackingServer, epochs: int) -> None:
    wait_for_followers(checkout)
    assert ", 0 waiting" in checkout.run("layerline", "flush", MLFLOW_TRACKING_URI=server.uri)
    store = f"sqlite:///{server.database}"
    key = json.loads((checkout.root / "runs" / "train.json").read_text())["key"]
    keys = "SELECT t.value, r.status FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid"
    assert (key, "FINISHED") in select(store, f"{keys} WHERE t.key = 'layerline.key'")
    assert select(store, "SELECT count(*) FROM runs WHERE status <> 'FINISHED'") == [(0,)]
    points = "SELECT count(*), count(DISTINCT step) FROM metrics WHERE key = 'valid/loss'"
    assert select(store, points) == [(epochs, epochs)]


def test_server_down_from_the_start_is_reported_once(checkout):
    expected = results_without_tracking(checkout, SHORT)
    told = checkout.stage("train", MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}")
    assert results(checkout) == expected
    assert told.count(REMEDY) == 1, told
    assert "does not answer" in told
    wait_for_followers(checkout)
    assert ", 0 waiting" in checkout.run("layerline", "flush")
    check_arrivals(checkout.root, f"sqlite:///{checkout.root}/mlflow.db")


@pytest.mark.slow
def test_server_killed_during_a_training(checkout, server):
    expected = results_without_tracking(checkout, LONG)
    command = [sys.executable, "pipeline/train.py"]
    environment = checkout.environment | {"MLFLOW_TRACKING_URI": server.uri}
    training = subprocess.Popen(
        command,
        cwd=checkout.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    points = "SELECT count(*) FROM metrics WHERE key = 'valid/loss'"
    while select(f"sqlite:///{server.database}", points) == [(0,)]:
        assert training.poll() is None, "it was over before its curve was live"
        time.sleep(0.1)
    server.kill()
    told, _ = training.communicate(timeout=120)
    assert (training.returncode, told.count(REMEDY)) == (0, 1), told
    assert results(checkout) == expected
    server.start()
    check_training_arrived(checkout, server, LONG)


@pytest.mark.slow
def test_slow_server_is_no_trouble(checkout, server):
    expected = results_without_tracking(checkout, SHORT)
    with SlowProxy(server, lambda path: 1.5) as slow:
        told = checkout.stage("train", MLFLOW_TRACKING_URI=slow.uri)
        assert REMEDY not in told
        assert results(checkout) == expected
        wait_for_followers(checkout)
        assert slow.n_requests > 5
    check_training_arrived(checkout, server, SHORT)


@pytest.mark.slow
def test_silent_server(checkout, server):
    expected = results_without_tracking(checkout, LONG)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        told = checkout.stage(
            "train",
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{silent.getsockname()[1]}",
            MLFLOW_HTTP_REQUEST_TIMEOUT="1",
        )
    assert told.count(REMEDY) == 1, told
    assert results(checkout) == expected
    check_training_arrived(checkout, server, LONG)


@pytest.mark.slow
def test_full_disk_of_the_server(checkout, server):
    expected = results_without_tracking(checkout, LONG)
    server.fill_disk()
    uri = {"MLFLOW_TRACKING_URI": server.uri}
    told = checkout.stage("train", **uri)
    assert told.count(REMEDY) == 1, told
    assert results(checkout) == expected
    wait_for_followers(checkout)
    told = checkout.stage("evaluate", **uri) + checkout.stage("register", code=8, **uri)
    assert told.count("error:") == told.count(REMEDY) == 1, told
    server.make_room()
    assert "is now version 1" in checkout.stage("register", **uri)
    check_training_arrived(checkout, server, LONG)


@pytest.mark.slow
def test_artifact_without_room_on_the_server_holds_up_no_other_run(
    home, new_journal, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    (tmp_path / "large.bin").write_bytes(os.urandom(2 << 20))
    with new_journal("key-1", run_name="large") as journal:
        journal.metrics({"loss": 1.0}, step=0)
        journal.artifact(tmp_path / "large.bin")
        journal.metrics({"loss": 0.5}, step=1)
    with new_journal("key-2", run_name="small") as journal:
        journal.metrics({"loss": 1.0}, step=0)
    server.fill_disk(server.database.stat().st_size + (1 << 20))
    report = flush(home)
    assert (report.sent, report.waiting, len(report.errors)) == (1, 1, 1)
    assert str(home / ".layerline") in report.errors[0]
    server.make_room()
    assert flush(home) == FlushReport(sent=1, waiting=0)
    store = f"sqlite:///{server.database}"
    assert check_arrivals(home, store, server.artifacts) == 3
    (stored,) = server.artifacts.rglob("large.bin")
    assert stored.read_bytes() == (tmp_path / "large.bin").read_bytes()


@pytest.mark.slow
def test_run_that_a_slow_server_made_twice_is_one_run(
    home, new_journal, server, tmp_path, monkeypatch
):
    delays = [6.0]  # of the first request to make a run: it is given up, and carried out later

    def delay(path: str) -> float:
        return delays.pop() if path.endswith("/runs/create") and delays else 0.0

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    runs = "SELECT status FROM runs WHERE lifecycle_stage = 'active' ORDER BY status"
    store = f"sqlite:///{server.database}"
    with SlowProxy(server, delay) as slow:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", slow.uri)
        with new_journal() as journal:
            journal.metrics({"loss": 1.0}, step=0)
        assert flush(home) == FlushReport(sent=1, waiting=0)
        until = time.monotonic() + 60
        while select(store, runs) != [("FINISHED",), ("RUNNING",)]:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert flush(home) == FlushReport(0, 0)
        assert select(store, runs) == [("FINISHED",)]
        with new_journal(stage="evaluate", continues=True) as journal:
            journal.metrics({"test_accuracy": 0.9})
        assert flush(home) == FlushReport(sent=1, waiting=0)
    check_arrivals(home, store, server.artifacts)
