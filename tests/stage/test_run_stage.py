"""A stage's way from params.yaml to its exit code, with real journals; no MLflow is needed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import ROOT

from layerline.artifacts import Workspace, journals_of
from layerline.errors import DataError, SourceError
from layerline.stage import Stage, run_stage
from layerline.stage.messages import STAGES_FILE
from layerline.tracking.journal_lines import Event, read_events


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with params.yaml, in which a stage runs; no flush comes after a failure."""
    for name in list(os.environ):
        if name.startswith(("DVC_", "MLFLOW_")):
            monkeypatch.delenv(name)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STAGES_FILE, str(tmp_path / "stages.jsonl"))
    monkeypatch.setenv("LAYERLINE_LOCK_SECONDS", "0.1")
    monkeypatch.setattr("layerline.stage.stage_run.flush_now", lambda *_, **__: None)
    return tmp_path


def events(checkout: Path) -> list[Event]:
    (path,) = journals_of(checkout).glob("*.jsonl")
    return read_events(path)


def raising(error: BaseException):
    def work(stage: Stage) -> None:
        raise error

    return work


def test_a_stage_that_succeeds_writes_its_run_and_its_journal(checkout, capsys):
    def work(stage: Stage) -> None:
        stage.report("42 rows")
        stage.journal.metrics({"n_rows": 42})

    assert run_stage("scale", work) == 0
    assert capsys.readouterr().out == "scale: 42 rows\n"
    facts = json.loads((checkout / "runs" / "scale.json").read_text())
    start, *rest, end = events(checkout)
    assert (start["key"], start["experiment"]) == (facts["key"], "digits-data")
    assert (end["type"], end["status"]) == ("end", "FINISHED")
    params = next(event["params"] for event in rest if event["type"] == "params")
    assert {name.partition(".")[0] for name in params} == {"scale", "seed"}
    assert {"seq": rest[-1]["seq"], "metrics": {"n_rows": 42.0}}.items() <= rest[-1].items()


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (DataError("no rows"), 3, "FAILED"),
        (SourceError("gone"), 4, "FAILED"),
        (KeyboardInterrupt(), 130, "KILLED"),
        (ZeroDivisionError("x"), 1, "FAILED"),
    ],
)
def test_each_failure_has_its_exit_code_its_record_and_no_run_file(checkout, error, code, status):
    assert run_stage("scale", raising(error)) == code
    assert events(checkout)[-1]["status"] == status
    record = json.loads((checkout / "stages.jsonl").read_text())
    assert (record["stage"], record["exit_code"]) == ("scale", code)
    assert not (checkout / "runs" / "scale.json").exists()


def test_evaluate_adds_to_the_run_of_train(checkout):
    assert run_stage("train", lambda stage: None) == 0
    key = json.loads((checkout / "runs" / "train.json").read_text())["key"]
    assert run_stage("evaluate", lambda stage: None) == 0
    starts = [read_events(path)[0] for path in journals_of(checkout).glob("*.jsonl")]
    found = {start["stage"]: (start["key"], start["continues"]) for start in starts}
    assert found == {"train": (key, False), "evaluate": (key, True)}


def test_evaluate_without_a_training_names_the_remedy(checkout, capsys):
    assert run_stage("evaluate", lambda stage: None) == 4
    assert "train.json" in capsys.readouterr().err


def test_bad_params_end_before_any_work(checkout, capsys):
    (checkout / "params.yaml").write_text("project: 7\n")
    assert run_stage("scale", raising(AssertionError("was run"))) == 2
    assert "params.yaml: project" in capsys.readouterr().err


def test_a_second_stage_in_one_checkout_is_busy(checkout, capsys):
    def work(stage: Stage) -> None:
        code = "import sys; from layerline.stage import run_stage; sys.exit(run_stage('scale', id))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 7, done.stderr
        assert "another stage is running here" in done.stderr

    assert run_stage("train", work) == 0


def test_a_folder_for_journals_that_cannot_be_made_stops_no_stage(checkout, capsys):
    (checkout / ".layerline").mkdir()
    journals_of(checkout).write_text("a file")
    assert run_stage("scale", lambda stage: stage.journal.tags({"a": "b"})) == 0
    assert "this run will not be in MLflow" in capsys.readouterr().err


def test_sigterm_is_an_orderly_end(checkout):
    code = """
import os, signal, sys
from layerline.stage import run_stage
def work(stage):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
sys.exit(run_stage("scale", work))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr == "scale: interrupted; earlier results are unchanged\n"
    assert events(checkout)[-1]["status"] == "KILLED"


def test_a_stage_ends_when_its_starter_is_killed(checkout):
    """As under `dvc repro`: a shell runs the stage, and whoever started the shell is killed."""
    code = """
import os, sys, time
from layerline.stage import run_stage
def work(stage):
    print(os.getpid(), flush=True)
    time.sleep(60)
run_stage("scale", work)
"""
    starter = f"""
import os, subprocess, sys
os.environ["DVC_STAGE"] = "scale"
subprocess.run(["sh", "-c", '{sys.executable} stage.py; true'])
"""
    (checkout / "stage.py").write_text(code)
    process = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    stage = int(process.stdout.readline())
    process.kill()
    process.wait()
    assert process.stdout.read() == ""  # until the stage has closed it
    process.stdout.close()
    assert not Path(f"/proc/{stage}").exists() or events(checkout)[-1]["status"] == "KILLED"


def test_workspace_and_journals_agree(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert Workspace(tmp_path).journals == journals_of(tmp_path.resolve())
