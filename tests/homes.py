"""Homes of their own, and what is in the store, read with plain SQL."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from servers import free_port

import layerline
from layerline.tracking.journal import Journal

SOURCE = Path(layerline.__file__).resolve().parents[1]


@contextlib.contextmanager
def written_by(process: Any) -> Iterator[None]:
    """Journals that are opened here name another process as their writer; None: this one."""
    if process is None:
        yield
        return
    with mock.patch("layerline.tracking.journal.process_identity", return_value=process):
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("DVC_", "MLFLOW_")):
            monkeypatch.delenv(name)
    # One value, set before whatever test comes first imports MLflow.
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "my checkout ü"  # as users have them
    folder.mkdir()
    return folder


@pytest.fixture
def folder(home):
    return home / ".layerline" / "journals"


@pytest.fixture
def new_journal(folder) -> Callable[..., Journal]:
    def create(key: str = "key-1", process: Any = None, **changes: Any) -> Journal:
        values = {"stage": "train", "experiment": "digits", "run_name": "first", **changes}
        with written_by(process):
            return Journal.create(folder, key=key, **values)

    return create


@pytest.fixture
def query(home) -> Callable[..., list[tuple[Any, ...]]]:
    def run(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(home / "mlflow.db")) as connection:
            return connection.execute(sql, values).fetchall()

    return run


@pytest.fixture
def tags_of(query) -> Callable[[str], dict[str, str]]:
    def read(key: str) -> dict[str, str]:
        sql = (
            "SELECT key, value FROM tags WHERE run_uuid ="
            " (SELECT run_uuid FROM tags WHERE key = 'layerline.key' AND value = ?)"
        )
        return dict(query(sql, key))

    return read


@pytest.fixture
def python() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    def run(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)

    return run


@pytest.fixture
def dead_writer(folder, python) -> Callable[[str], Path]:
    """A journal whose process was killed while it wrote its last line."""

    def write(key: str) -> Path:
        code = """
import os, signal, sys
from pathlib import Path
from layerline.tracking.journal import Journal
journal = Journal.create(Path(sys.argv[1]), key=sys.argv[2], stage="train",
                         experiment="digits", run_name="doomed")
for step in range(3):
    journal.metrics({"loss": 1.0 / (step + 1)}, step=step, time_ms=1_000 + step)
print(journal.path, flush=True)
os.write(journal._file._descriptor, b'{"seq": 4, "type": "metr')
os.kill(os.getpid(), signal.SIGKILL)
"""
        command = [sys.executable, "-c", code, str(folder), key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == -9, done.stderr
        return Path(done.stdout.strip())

    return write


@pytest.fixture
def closed_port() -> int:
    return free_port()
