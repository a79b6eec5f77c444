"""A real `dvc repro` of two stages that say of each other whether DVC restored them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layerline.tracking.restored_stages import this_repro, was_restored

DVC_YAML = """
stages:
  scale:
    cmd: python stage.py scale
    params: [numeric]
    outs: [runs/scale.json, data]
  train:
    cmd: python stage.py train
    deps: [data]
    params: [epochs]
    outs: [runs/train.json]
"""
STAGE = """
import json, sys, uuid
from pathlib import Path
from layerline.tracking.restored_stages import this_repro, was_restored

name, scale = sys.argv[1], Path("runs/scale.json")
Path("runs").mkdir(exist_ok=True)
facts = {"key": uuid.uuid4().hex, "repro": this_repro().name}
if name == "scale":
    Path("data").write_text(facts["key"])
else:
    made = json.loads(scale.read_text())
    facts |= {"scale": made["key"], "restored": was_restored(scale, made)}
Path(f"runs/{name}.json").write_text(json.dumps(facts))
"""


@pytest.fixture
def repro(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("DVC_")]:
        monkeypatch.delenv(name)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "stage.py").write_text(STAGE)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)

    def run(numeric, epochs):
        (tmp_path / "params.yaml").write_text(f"numeric: {numeric}\nepochs: {epochs}\n")
        dvc = [sys.executable, "-m", "dvc"]
        if not (tmp_path / ".dvc").exists():
            subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
            subprocess.run([*dvc, "config", "core.analytics", "false"], cwd=tmp_path, check=True)
        subprocess.run([*dvc, "repro", "-q"], cwd=tmp_path, check=True)
        return json.loads((tmp_path / "runs" / "train.json").read_text())

    return run


def test_only_what_dvc_took_from_its_cache_is_called_restored(repro):
    first = repro(11, 1)
    assert not first["restored"], "it ran in the same repro"
    assert not repro(12, 1)["restored"]
    back = repro(11, 2)
    assert back["restored"]
    assert back["scale"] == first["scale"], "the link is to the run that made it"
    again = repro(11, 3)
    assert not again["restored"], "it was left as it was"
    assert again["scale"] == first["scale"]


def test_without_dvc_nothing_is_claimed(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    (tmp_path / "scale.json").write_text("{}")
    assert this_repro() is None
    assert not was_restored(tmp_path / "scale.json", {})
