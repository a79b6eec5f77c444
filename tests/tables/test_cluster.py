"""Workers of a real Dask cluster give the very same artifacts, also when one is killed."""

import dataclasses
import hashlib
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask_workers import importable_tests, two_workers  # noqa: F401

from layerline.artifacts import Workspace
from layerline.config import FetchSection, ScaleSection, ValidateSection
from layerline.errors import SourceError
from layerline.scaling.scale import scale
from layerline.sources.fetch import fetch
from layerline.tables import cluster, storage
from layerline.tables.cluster import VARIABLE, on_workers
from layerline.tables.storage import read_table
from layerline.validation import row_batches
from layerline.validation.schema.definitions import CrossRule
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

distributed = pytest.importorskip("distributed")
SCHEMA = Path("schema.yaml")
N_PARTITIONS, N_ROWS = 8, 1500  # of each: more than a row group, which has 1,024 here


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Partitioned Parquet (`part=0/` to `part=7/`), a project's folder beside it."""
    rng = np.random.default_rng(0)
    for part in range(N_PARTITIONS):
        x = rng.normal(size=(N_ROWS, 3))
        frame = pd.DataFrame(x, columns=["a", "b", "c"])
        frame["city"] = rng.choice(["Ulm", "Bonn", "Köln"], N_ROWS)
        frame["gap"] = np.where(rng.random(N_ROWS) < 0.1, np.nan, rng.integers(0, 9, N_ROWS))
        frame["y"] = np.where(x[:, 0] + (frame["city"] == "Ulm") > 0, "yes", "no")
        folder = tmp_path / "rows" / f"part={part}"
        folder.mkdir(parents=True)
        frame.to_parquet(folder / "rows.parquet")
    monkeypatch.setattr(row_batches, "WHOLE_CELLS", 0)
    monkeypatch.setattr(storage, "GROUP_CELLS", 0)  # row groups of 1,024 rows
    monkeypatch.chdir(tmp_path)
    return tmp_path


OWN = """
import numpy as np

def plausible(frame):
    return frame["a"] < 2.5

class Halves:
    def fit(self, x, y=None):
        self.middle_ = float(np.nanmedian(x))
        return self

    def transform(self, x):
        return np.asarray(x) > self.middle_
"""


def build(root: Path) -> dict[str, str]:
    """Fetch, validate and scale; the hash of each file."""
    workspace = Workspace(root)
    section = FetchSection(source="files", options={"path": "rows"}, target="y", task="binary")
    fetch(workspace, section)
    schema = infer_schema(read_table(workspace.raw).iloc[: 3 * N_ROWS], "y", "binary")
    rules = (CrossRule("mine.rows:plausible", "error"), CrossRule("a < 9 or b < 9", "error"))
    write_schema(root / SCHEMA, dataclasses.replace(schema, checks=rules))
    section = ValidateSection(on_bad_rows="quarantine", max_bad_fraction=0.5)
    validate_raw(workspace, section, SCHEMA)
    numeric = {"default": "standard", "columns": {"b": "mine.rows:Halves"}}
    scale(workspace, ScaleSection(categorical="target", numeric=numeric), seed=0)
    folders = (workspace.raw, workspace.validated, workspace.scaled, workspace.preprocessor)
    files = [file for folder in (*folders, workspace.reports) for file in folder.rglob("*")]
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


def test_a_cluster_gives_the_files_that_one_machine_gives(
    project: Path, workers: "distributed.LocalCluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "params.yaml").write_text("project: p\n")  # its own code is found beside it
    (project / "mine").mkdir()
    (project / "mine" / "rows.py").write_text(OWN)
    local = build(project / "local")
    monkeypatch.setenv(VARIABLE, workers.scheduler_address)
    assert build(project / "cluster") == local
    assert len(local) > 15
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        done = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.transition_log))
    assert done > 3 * N_PARTITIONS  # the workers did work


class DiesOnce:
    """The process that comes first to the fifth item is killed."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __call__(self, item: int) -> int:
        if item == 5 and not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item


def test_a_worker_that_is_killed_changes_nothing(
    tmp_path: Path, workers: "distributed.LocalCluster"
) -> None:
    marker = tmp_path / "killed"
    found = list(on_workers(workers.scheduler_address, DiesOnce(marker), range(40)))
    assert found == [n * n for n in range(40)]
    assert marker.exists()


def test_the_only_worker_is_killed_and_its_successor_goes_on(tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as alone:
        found = list(on_workers(alone.scheduler_address, DiesOnce(marker), range(20)))
    assert found == [n * n for n in range(20)]
    assert marker.exists()


def fail(item: int) -> int:
    if item == 3:
        raise SourceError("rows.parquet: damaged")
    return item


def test_an_error_is_raised_where_its_result_is_due(workers: "distributed.LocalCluster") -> None:
    results = on_workers(workers.scheduler_address, fail, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match=r"rows\.parquet: damaged"):
        next(results)


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    with pytest.raises(SourceError, match="no Dask scheduler with a worker answers there"):
        list(on_workers("tcp://127.0.0.1:9", fail, range(3)))


def test_workers_with_other_code_or_without_the_folder_are_refused(
    tmp_path: Path, workers: "distributed.LocalCluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster._connect.cache_clear()
    monkeypatch.setattr(cluster, "_versions", lambda: {"numpy": str(os.getpid())})
    with pytest.raises(SourceError, match=r"has numpy \d+ \(here \d+\): results could differ"):
        list(on_workers(workers.scheduler_address, fail, range(3)))
    monkeypatch.undo()
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    monkeypatch.setattr(os, "getcwd", lambda: str(here))
    with pytest.raises(SourceError, match="has no folder"):
        list(on_workers(workers.scheduler_address, fail, range(3)))
