"""The train stage's work: what Ctrl-C leaves, what is written, what is cleared away."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transfers import params_of, table_preprocessor, write_here

from layerline.artifacts import Workspace, read_manifest
from layerline.config import MembersSection
from layerline.networks.bin_edges import quantile_edges
from layerline.networks.serialization import load_network
from layerline.training.snapshots import Snapshots
from layerline.training.train import train

INTERRUPTED_IN = 3


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return write_here(tmp_path, table_preprocessor(["age", "height"]))


def interrupt(record: Any) -> None:
    if record.epoch == INTERRUPTED_IN:
        raise KeyboardInterrupt


def run(workspace: Workspace, on_epoch: Any = lambda record: None, **changes: Any) -> list[str]:
    said: list[str] = []
    try:
        train(workspace, params_of(None, epochs=5, **changes), on_epoch, said.append)
    except KeyboardInterrupt:
        said.append("Ctrl-C")
    return said


@pytest.mark.parametrize(
    "members", [None, MembersSection(count=2, keep="best", space={})], ids=["one", "seeds"]
)
def test_ctrl_c_keeps_the_best_so_far_and_says_so(workspace: Workspace, members: Any) -> None:
    said = run(workspace, interrupt, members=members)
    assert "models/interrupted" in said[-2]
    assert said[-1] == "Ctrl-C"
    left = workspace.root / "models" / "interrupted"
    network, spec = load_network(left)
    assert (spec.network, network.training) == ("mlp", False)
    facts = read_manifest(left)
    assert facts["kept_epoch"] <= INTERRUPTED_IN
    assert facts["threads"] == 1
    assert not workspace.network.exists()


def test_ctrl_c_before_an_epoch_is_done_is_reported_too(workspace: Workspace, monkeypatch) -> None:
    def stop(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("layerline.training.loop.Training._take_steps", stop)
    said = run(workspace, members=MembersSection(count=2, keep="best", space={}))
    assert said == [
        "interrupted; the next run starts from the beginning: no snapshot was due yet",
        "Ctrl-C",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, "resumes from"), (1e6, "starts from the beginning")]
)
def test_ctrl_c_says_whether_the_next_run_goes_on(
    workspace: Workspace, monkeypatch, seconds: float, told: str
) -> None:
    original = Snapshots.__init__
    monkeypatch.setattr(
        Snapshots, "__init__", lambda self, folder: original(self, folder, every_seconds=seconds)
    )
    assert told in run(workspace, interrupt)[-2]
    again = run(workspace)
    assert any("resuming after epoch" in line for line in again) == (seconds == 0)
    assert not list((workspace.home / ".layerline").glob("snapshots/*"))


def test_snapshots_that_nobody_took_up_for_long_are_removed(workspace: Workspace) -> None:
    parent = workspace.home / ".layerline" / "snapshots"
    for name, days in (("ancient", 40), ("recent", 1)):
        (parent / name).mkdir(parents=True)
        then = time.time() - days * 86_400
        os.utime(parent / name, (then, then))
    run(workspace)
    assert [path.name for path in parent.iterdir()] == ["recent"]


def test_the_manifest_records_what_decided_the_bytes(workspace: Workspace) -> None:
    run(workspace)
    facts = read_manifest(workspace.network)
    assert {key: facts[key] for key in ("threads", "precision", "is_streamed")} == {
        "threads": 1,
        "precision": "float32",
        "is_streamed": False,
    }


OWN_BINS = {
    "hidden": [8],
    "numeric_embeddings": {"name": "piecewise_linear", "bins": 4, "edges": "quantile"},
}


@pytest.mark.parametrize(
    "members", [None, MembersSection(count=2, keep="all", space={})], ids=["one", "ensemble"]
)
def test_bins_come_from_the_train_rows_and_are_saved(workspace: Workspace, members: Any) -> None:
    run(workspace, members=members, options=OWN_BINS)
    network, _ = load_network(workspace.network)
    x = torch.from_numpy(np.load(workspace.scaled / "train_x.npy"))
    found = [value for name, value in network.state_dict().items() if name.endswith("edges")]
    assert len(found) == (1 if members is None else 2)
    for edges in found:
        assert torch.equal(edges, quantile_edges(x, 4))
