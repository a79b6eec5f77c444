"""What memory the machine offers, and what a training says when that runs out."""

from pathlib import Path

import psutil
import pytest
import torch

from layerline.config import Component, TrainSection
from layerline.errors import ParamsError
from layerline.training import machine
from layerline.training.device import enough_memory
from layerline.training.machine import memory_bytes

LIMITS = {
    "version 2": ("0::/user/job\n", {"user/memory.max": "4096\n", "user/job/memory.max": "max\n"}),
    "version 2, in a container": ("0::/\n", {"memory.max": "4096\n"}),
    "version 1": (
        "5:cpu,cpuacct:/job\n4:memory:/job\n",
        {"memory/job/memory.limit_in_bytes": "4096\n"},
    ),
}


@pytest.mark.parametrize(("own", "files"), LIMITS.values(), ids=LIMITS)
def test_a_containers_limit_is_the_memory(
    monkeypatch, tmp_path: Path, own: str, files: dict[str, str]
) -> None:
    (tmp_path / "cgroup").write_text(own)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_OWN_CGROUP", tmp_path / "cgroup")
    assert memory_bytes() == 4096


def test_without_a_limit_it_is_the_machines(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_OWN_CGROUP", tmp_path / "none")
    assert memory_bytes() == psutil.virtual_memory().total


def test_memory_that_runs_out_is_reported_with_what_to_lower() -> None:
    section = TrainSection(batch_size=64)
    with (
        pytest.raises(ParamsError, match=r"train\.batch_size: out of memory .* lower it from 64"),
        enough_memory(section),
    ):
        torch.empty(2**58)  # more than addresses can name, so no system promises it
    whole = TrainSection(optimizer=Component(name="lbfgs"))
    with (
        pytest.raises(ParamsError, match=r"train\.optimizer: .*an allocation failed.* use adamw"),
        enough_memory(whole),
    ):
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), enough_memory(section):
        raise RuntimeError("shapes differ")
