"""`train.distributed: {processes: 2}`: the stage starts its ranks, and starts them again."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from transfers import table_preprocessor, write_here

from layerline.artifacts import Workspace, read_manifest
from layerline.config import load_params
from layerline.process import usable_cores
from layerline.stage.rank_launcher import RANKS_A_CORE
from layerline.training.train import train

ROOT = Path(__file__).resolve().parents[2]
PARAMS = """\
project: p
seed: 3
fetch: {source: files, options: {path: t.csv}, target: label}
threads: 1
train:
  options: {hidden: [8], dropout: 0.1}
  optimizer: {name: sgd, learning_rate: 0.05}
  batch_size: 16
  epochs: 6
  device: cpu
  distributed: {processes: 2, restarts: 20}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = write_here(tmp_path, table_preprocessor(["age", "height"]))
    found.params.write_text(PARAMS)
    return found


def start(workspace: Workspace) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "pipeline" / "train.py")],
        cwd=workspace.root,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "LAYERLINE_TRACKING": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_a_rank(agent: int) -> None:
    """Wait for the ranks, and kill the last of them that was started."""
    while not (ranks := psutil.Process(agent).children()):
        time.sleep(0.02)
    max(ranks, key=lambda rank: rank.pid).kill()


def network(workspace: Workspace) -> dict[str, torch.Tensor]:
    return load_file(workspace.network / "network.safetensors")


def test_the_stage_trains_on_two_ranks_and_survives_a_killed_one(workspace: Workspace) -> None:
    running = start(workspace)
    kill_a_rank(running.pid)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 0, err
    assert re.fullmatch(
        r"train: a rank was ended by signal 9; all are .* \(restart 1 of 20\)\n", err
    )
    assert out.count("kept epoch") == 1
    assert read_manifest(workspace.network)["ranks"] == 2
    assert workspace.run_file("train").is_file()
    found = network(workspace)
    workspace.params.write_text(PARAMS.replace("{processes: 2, restarts: 20}", "auto"))
    train(workspace, load_params(workspace.params), lambda record: None)
    assert "ranks" not in read_manifest(workspace.network)
    for name, item in network(workspace).items():
        assert torch.allclose(found[name].float(), item.float(), atol=1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "early_stopping: {time_minutes: 5}",
            "params.yaml: train.early_stopping.time_minutes: 2 processes cannot train so; each has",
        ),
        ("batch_growth: null\n  loss: hubert", "'hubert'"),
        ("network: mlp2", "'mlp2'"),
    ],
)
def test_a_mistake_is_one_message_and_no_restart(
    workspace: Workspace, change: str, message: str
) -> None:
    workspace.params.write_text(f"{PARAMS}  {change}\n")
    running = start(workspace)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 2
    assert message in err
    assert err.count("\n") == 1


def test_more_ranks_than_cores_can_carry_are_refused_before_any_starts(
    workspace: Workspace,
) -> None:
    too_many = RANKS_A_CORE * usable_cores() + 1
    workspace.params.write_text(PARAMS.replace("processes: 2", f"processes: {too_many}"))
    running = start(workspace)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 2
    assert f"train.distributed.processes: is {too_many}, and this machine has " in err
    assert err.count("\n") == 1
    assert not workspace.network.exists()


@pytest.mark.slow
def test_sigterm_ends_all_ranks_in_order(workspace: Workspace) -> None:
    workspace.params.write_text(
        PARAMS.replace("epochs: 6", "epochs: 1000000\n  early_stopping: null")
    )
    running = start(workspace)
    while not (ranks := psutil.Process(running.pid).children()):
        time.sleep(0.02)
    time.sleep(15)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 143
    assert "interrupted" in err
    assert not [rank for rank in ranks if rank.is_running()]


@pytest.mark.slow
def test_ranks_killed_at_random_moments_end_in_the_same_bytes(workspace: Workspace) -> None:
    def train_with(kill: bool) -> bytes:
        running = start(workspace)
        if kill:
            while not psutil.Process(running.pid).children():
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 8))
            if ranks := psutil.Process(running.pid).children():
                chance.choice(ranks).kill()
        _, err = running.communicate(timeout=300)
        assert running.returncode == 0, err
        return (workspace.network / "network.safetensors").read_bytes()

    chance = random.Random(0)
    expected = train_with(kill=False)
    assert [train_with(kill=True) == expected for _ in range(10)] == [True] * 10
