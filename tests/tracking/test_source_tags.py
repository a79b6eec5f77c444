import shutil
import subprocess
import sys

import pytest

from layerline.tracking.run_reasons import why_ran
from layerline.tracking.source_tags import dvc_tags, git_state, source_tags

DVC_YAML = """
stages:
  scale:
    cmd: mkdir data && cp raw.csv data/x.csv && cp raw.csv data/y.csv
    deps: [raw.csv]
    params: [scale.numeric]
    outs: [data]
  train:
    cmd: cp data/x.csv model
    deps: [data, src]
    params: [train, seed]
    outs: [model]
"""
PARAMS = "seed: 0\nscale: {numeric: standard}\ntrain: {epochs: 60, rate: 3e-4, widths: [8, 4]}\n"


@pytest.fixture
def git(tmp_path, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")

    def run(*arguments):
        done = subprocess.run(
            ["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    return run


def test_without_git_nothing_is_claimed(tmp_path, monkeypatch):
    assert git_state(tmp_path) == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) == {}
    assert "mlflow.source.git.commit" not in source_tags(tmp_path, "pipeline/train.py")


def test_dirty_means_what_a_user_changed(tmp_path, git):
    git("init", "-q", "-b", "main")
    assert git_state(tmp_path) == {}
    for name in ("params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("a")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = {"commit": git("rev-parse", "HEAD"), "branch": "main", "dirty": "false"}
    assert git_state(tmp_path) == clean
    (tmp_path / "dvc.lock").write_text("written by dvc repro")
    (tmp_path / "notes.txt").write_text("not code")
    assert git_state(tmp_path) == clean
    (tmp_path / "params.yaml").write_text("b")
    assert git_state(tmp_path) == {**clean, "dirty": "true"}
    git("checkout", "-q", "params.yaml")
    (tmp_path / "new_source.py").write_text("")
    tags = source_tags(tmp_path, "pipeline/train.py")
    assert tags["layerline.git.dirty"] == "true"
    assert tags["mlflow.source.git.commit"] == clean["commit"]


@pytest.fixture(scope="module")
def once_reproduced(tmp_path_factory):
    root = tmp_path_factory.mktemp("dvc")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text(PARAMS)
    (root / "raw.csv").write_text("1,2\n")
    (root / "src" / "deep").mkdir(parents=True)
    for name in ("b.py", "a.py", "deep/c.py"):
        (root / "src" / name).write_text(name)
    for command in (["init", "-q", "--no-scm"], ["config", "core.analytics", "false"], ["repro"]):
        subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=root, check=True, capture_output=True
        )
    return root


@pytest.fixture
def reproduced(once_reproduced, tmp_path):
    """A checkout after a real `dvc repro`."""
    return shutil.copytree(once_reproduced, tmp_path / "checkout")


@pytest.fixture
def in_dvc(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "train")


def test_hashes_of_stages_become_tags(reproduced, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "gouty-acid")
    tags = dvc_tags(reproduced)
    assert tags["dvc.exp.name"] == "gouty-acid"
    assert "raw.csv=3ecfad755fa825f7a17c5526ec44e651" in tags["dvc.scale.deps"].splitlines()
    assert tags["dvc.scale.outs"] in tags["dvc.train.deps"].splitlines()
    assert tags["dvc.train.outs"] == "model=3ecfad755fa825f7a17c5526ec44e651"
    upstream = dvc_tags(reproduced, before="train")
    assert {name.split(".")[1] for name in upstream} == {"exp", "scale"}


@pytest.mark.usefixtures("in_dvc")
def test_reasons_agree_with_dvc(reproduced):
    assert why_ran(reproduced, "evaluate") == "first run"
    assert why_ran(reproduced, "train") == "forced, or an output was missing or changed"
    (reproduced / "params.yaml").write_text(
        PARAMS.replace("epochs: 60, rate: 3e-4", "epochs: 80, network: mlp, rate: 0.0003")
    )
    why = why_ran(reproduced, "train")
    assert why == "train.epochs: 60 → 80; train.network: mlp added"
    (reproduced / "params.yaml").write_text("scale: {numeric: standard}\ntrain: {widths: [8]}\n")
    assert why_ran(reproduced, "train") == (
        "seed removed; train.epochs removed; train.rate removed; train.widths: [8, 4] → [8]"
    )


@pytest.mark.usefixtures("in_dvc")
def test_changed_files_are_named(reproduced):
    source = reproduced / "src" / "deep" / "c.py"
    (source.parent / "__pycache__").mkdir()
    (source.parent / "__pycache__" / "c.pyc").write_text("")
    assert why_ran(reproduced, "train").startswith("forced")
    source.write_text("changed")
    assert why_ran(reproduced, "train") == "src changed"
    source.write_text("deep/c.py")
    (reproduced / "raw.csv").rename(reproduced / "raw.old")
    assert why_ran(reproduced, "scale") == "raw.csv is gone"
    (reproduced / "raw.old").rename(reproduced / "raw.csv")
    lock = (reproduced / "dvc.lock").read_text()
    (reproduced / "dvc.lock").write_text(lock.replace("cp data/x.csv", "mv data/x.csv"))
    assert why_ran(reproduced, "train") == "the command changed"


def test_what_dvc_did_not_start_was_started_by_hand(reproduced, tmp_path):
    assert why_ran(reproduced, "train") == "started without DVC"
    assert why_ran(tmp_path, "train") == "started without DVC; first run"
