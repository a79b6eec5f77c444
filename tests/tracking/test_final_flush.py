"""A real `dvc repro` whose stages only write journals: they arrive after it has ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layerline.tracking.final_flush import start_final_flush
from layerline.tracking.flush import flush
from layerline.tracking.tracking_switch import SWITCH

DVC_YAML = """
stages:
  fetch:
    cmd: python stage.py fetch
    params: [fetch]
    outs: [fetch.txt]
  scale:
    cmd: python stage.py scale
    deps: [fetch.txt]
    outs: [scale.txt]
"""
STAGE = """
import sys, uuid
from pathlib import Path
from layerline.tracking.final_flush import start_final_flush
from layerline.tracking.journal import Journal

name, home = sys.argv[1], Path.cwd()
with Journal.create(home / ".layerline" / "journals", key=uuid.uuid4().hex, stage=name,
                    experiment="digits-data", run_name=name):
    start_final_flush(home)
    Path(name + ".txt").write_text(uuid.uuid4().hex)
"""


def closers(home: Path) -> list[str]:
    command = ["pgrep", "-f", f"layerline.tracking.final_flush --home {home}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def wait_until(condition) -> None:
    until = time.monotonic() + 600  # what is waited for has the lowest priority
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def repro(home, monkeypatch):
    (home / "dvc.yaml").write_text(DVC_YAML)
    (home / "stage.py").write_text(STAGE)
    (home / "params.yaml").write_text("fetch: 1\n")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=home, check=True)
    subprocess.run([*dvc, "config", "core.analytics", "false"], cwd=home, check=True)

    def run(**environment: str) -> None:
        command = [*dvc, "repro", "-q", "-f"]
        subprocess.run(command, cwd=home, env={**os.environ, **environment}, check=True)

    return run


def test_what_no_stage_sent_is_sent_when_dvc_has_ended(home, folder, repro, query):
    repro()
    assert len(closers(home)) == 1, "one for both stages"
    wait_until(lambda: not closers(home))
    assert query("SELECT name, status FROM runs ORDER BY name") == [
        ("fetch", "FINISHED"),
        ("scale", "FINISHED"),
    ]
    assert list(folder.glob("*.jsonl")) == []
    assert list((home / ".layerline" / "locks").glob("closing-*")) == []


def test_with_nothing_left_to_send_it_goes(home, repro):
    repro()
    flush(home, wait_seconds=30)
    wait_until(lambda: not closers(home))
    assert (home / ".layerline" / "follower.log").read_text() == ""


def test_none_is_started_by_hand_or_without_tracking(home, repro, monkeypatch):
    start_final_flush(home)
    assert closers(home) == []
    repro(**{SWITCH: "off"})
    assert closers(home) == []
