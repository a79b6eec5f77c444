"""Stores with trainings in them, and the command line on them."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import ROOT
from click.testing import CliRunner, Result
from homes import (  # noqa: F401
    clean_environment,
    closed_port,
    dead_writer,
    folder,
    home,
    new_journal,
    python,
    query,
    tags_of,
)
from labs import PARAMS, Lab, lineage, predictions

from layerline.artifacts import journals_of


@pytest.fixture(scope="session")
def full_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Four trainings, of which the tests change nothing.

    one    the champion, v1
    two    DVC experiment kind-fox: another dropout, other code; v2
    three  another table and split, half of the test rows; its evaluation failed
    four   killed by its user in the middle, no figures
    """
    root = tmp_path_factory.mktemp("runs") / "my checkout ü"
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    lab = Lab(root)
    for data in ("d1", "d2"):
        lab.tell_data("fetch", f"fetch-{data}")
        lab.tell_data("scale", f"scale-{data}", **{"layerline.why.scale": f"because {data}"})
    lab.tell_training("one", {}, lineage())
    files = root / "files"
    files.mkdir()
    figures = {"train_accuracy": 1.0, "valid_accuracy": 0.9, "test_accuracy": 0.95}
    table = files / "predictions.parquet"
    predictions(table, range(300), skill=2.0, seed=1)
    lab.tell_evaluation("one", {**figures, "test_log_loss": 0.2}, table)
    time.sleep(0.002)  # runs are told apart by the millisecond they started
    tags = {"dvc.exp.name": "kind-fox", "layerline.why.train": "train.options.dropout: 0.2 → 0.4"}
    lab.tell_training(
        "two", {"train.options.dropout": "0.4"}, lineage(code="2", network="2", **tags)
    )
    predictions(table, range(300), skill=4.0)
    better = {**figures, "test_accuracy": 0.97, "test_log_loss": 0.1}
    lab.tell_evaluation("two", better, table)
    time.sleep(0.002)
    other = {"scale.split.test": "0.1", "train.options.dropout": "0.4"}
    lab.tell_training("three", other, lineage(code="2", table="2", network="3"), data="d2")
    with lab.journal("three", stage="evaluate", continues=True) as journal:
        predictions(table, range(150, 400), skill=3.0, seed=3)
        journal.artifact(table)
        journal.end("FAILED", "the disk was full")
    time.sleep(0.002)
    with lab.journal("four") as journal:
        journal.params({**PARAMS, **other, "train.epochs": "400"})
        tags = lineage(code="2", table="2")
        journal.tags({k: v for k, v in tags.items() if not k.startswith("dvc.train")})
        journal.tags({"layerline.stage": "train", "layerline.git.dirty": "true"})
        journal.end("KILLED", "interrupted")
    lab.flush()
    lab.register("one", 1, promoted=True, network="1")
    lab.register("two", 2, promoted=False, network="2")
    return lab


@pytest.fixture
def own_lab(full_lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """A copy of the full one, to change."""
    # MLflow remembers by run id where artifacts are; the copies of one process have the same ids.
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()
    copy = tmp_path / "copy"
    shutil.copytree(full_lab.home, copy)
    yield Lab(copy)
    utils._artifact_repos_cache.clear()


@pytest.fixture
def empty_lab(home: Path) -> Lab:  # noqa: F811
    """A checkout in which nothing was ever tracked."""
    shutil.copy(ROOT / "params.yaml", home / "params.yaml")
    return Lab(home)


@pytest.fixture
def layerline(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in a lab's checkout; stdout and stderr apart."""
    from layerline.cli import main

    def run(lab: Lab, *arguments: str, code: int = 0, **environment: str) -> Result:
        monkeypatch.chdir(lab.home)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def writer(own_lab: Lab) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Start a process that trains: it tells of itself, of one epoch, and then lives on."""
    code = """
import json, sys, time
from pathlib import Path
from layerline.tracking.journal import Journal
from layerline.tracking.processes import process_identity
journal = Journal.create(Path(sys.argv[1]), key=sys.argv[2], stage="train",
                         experiment="digits", run_name=sys.argv[2])
journal.tags({"layerline.stage": "train", "layerline.process": json.dumps(process_identity())})
journal.metrics({"train_loss": 1.0}, step=1)
print(journal.path, flush=True)
time.sleep(300)
"""
    started: list[subprocess.Popen[str]] = []

    def start(key: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", code, str(journals_of(own_lab.home)), key]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline().strip().endswith(".jsonl")
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
