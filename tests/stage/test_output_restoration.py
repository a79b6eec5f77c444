"""A failed stage's outputs come back from a real DVC cache, also when the disk is full."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layerline.artifacts import Workspace
from layerline.stage.output_restoration import restore_outputs

DVC_YAML = """
stages:
  train:
    cmd: python stage.py
    outs: [models/network, reports/history.csv]
"""
STAGE = """
from pathlib import Path
for name in ("models/network/deep/a.bin", "models/network/b.bin", "reports/history.csv"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(name.encode() * 4096)
"""
FILES = ("models/network/deep/a.bin", "models/network/b.bin", "reports/history.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which `dvc repro` has run the stage once."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "stage.py").write_text(STAGE)
    tools = str(Path(sys.executable).parent)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    environment = clean | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    for command in (
        ["init", "-q", "--no-scm"],
        ["config", "core.analytics", "false"],
        ["repro", "-q"],
    ):
        subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=folder, env=environment, check=True
        )
    return folder


@pytest.fixture
def checkout(made, tmp_path, monkeypatch):
    """A copy of it where DVC has removed the outputs, and a run has failed half-way."""
    root = tmp_path / "checkout"
    shutil.copytree(made, root, symlinks=True)
    shutil.rmtree(root / "models")
    (root / "reports" / "history.csv").unlink()
    (root / "models" / "network").mkdir(parents=True)
    (root / "models" / "network" / "half.bin").write_bytes(b"half")
    monkeypatch.setenv("DVC_STAGE", "train")
    return root


def check(root: Path) -> None:
    for name in FILES:
        assert (root / name).read_bytes() == name.encode() * 4096
    assert sorted(path.name for path in (root / "models" / "network").iterdir()) == [
        "b.bin",
        "deep",
    ]


def test_the_last_outputs_come_back_as_files_of_their_own(checkout):
    assert restore_outputs("train", Workspace(checkout))
    check(checkout)
    assert all((checkout / name).stat().st_nlink == 1 for name in FILES)


RESTORE = """
import resource, signal, sys
from pathlib import Path
from layerline.artifacts import Workspace
from layerline.stage.output_restoration import restore_outputs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # no file of more than 100 bytes
sys.exit(not restore_outputs("train", Workspace(Path(sys.argv[1]))))
"""


def test_on_a_full_disk_they_come_back_as_links_to_the_cache(checkout):
    subprocess.run([sys.executable, "-c", RESTORE, str(checkout)], check=True)
    check(checkout)
    assert all((checkout / name).stat().st_nlink == 2 for name in FILES)
    dvc = [sys.executable, "-m", "dvc"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    subprocess.run([*dvc, "status", "-q"], cwd=checkout, env=clean, check=True)


def test_a_cache_on_another_disk_is_linked_by_name(checkout, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("shutil.copyfile", refused)
    monkeypatch.setattr("os.link", refused)
    assert restore_outputs("train", Workspace(checkout))
    check(checkout)
    assert all((checkout / name).is_symlink() for name in FILES)


def test_what_the_cache_lacks_is_left_as_the_stage_left_it(checkout):
    shutil.rmtree(checkout / ".dvc" / "cache")
    assert not restore_outputs("train", Workspace(checkout))
    assert (checkout / "models" / "network" / "half.bin").exists()


@pytest.mark.parametrize("name", ["scale", "train"])
def test_a_stage_that_never_ran_or_runs_without_dvc_has_none(checkout, monkeypatch, name):
    if name == "train":
        monkeypatch.delenv("DVC_STAGE")
    assert not restore_outputs(name, Workspace(checkout))
