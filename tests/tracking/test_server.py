"""A real `mlflow server` on loopback, killed while a training is followed."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.follower import start_follower
from layerline.tracking.store import open_client

pytestmark = pytest.mark.slow


@contextmanager
def server(folder, port):
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_server_killed_during_a_training(home, new_journal, closed_port, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    (tmp_path / "report.json").write_text("{}")
    journal = new_journal()
    with server(tmp_path, closed_port):
        follower = start_follower(home, journal.path)
        step = 0
        while run_id_of(home, "key-1") is None:
            journal.metrics({"loss": 1.0}, step=step)
            step += 1
            time.sleep(0.1)
    for late in range(step, step + 20):
        journal.metrics({"loss": 1.0}, step=late)
        time.sleep(0.1)
    journal.artifact(tmp_path / "report.json")
    journal.end("FINISHED")
    follower.wait(timeout=120)
    assert flush(home).waiting == 1
    with server(tmp_path, closed_port):
        report = flush(home)
        assert (report.sent, report.errors) == (1, ())
        client = open_client(home)
        run = client.get_run(run_id_of(home, "key-1"))
        history = client.get_metric_history(run.info.run_id, "loss")
        assert [metric.step for metric in history] == list(range(step + 20))
        assert run.info.status == "FINISHED"
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.json"]
        assert not [tag for tag in run.data.tags if "cursor" in tag]
