"""In a clone of Layerline, `git pull` keeps the params.yaml that `layerline init` wrote."""

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from layerline.projects.clone_merges import is_clone, settle_merges

DVC = "stages:\n  fetch:\n    deps:\n      - pipeline/fetch.py\n    outs:\n      - data/raw\n"
OWN_DVC = DVC.replace("fetch.py\n", "fetch.py\n      - houses.csv\n")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "pull.rebase=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "change")


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    folder = tmp_path / "upstream"
    (folder / "src" / "layerline" / "cli").mkdir(parents=True)
    (folder / "src" / "layerline" / "cli" / "__init__.py").touch()
    git(tmp_path, "init", "--quiet", "upstream")
    commit(folder, params="project: digits\nepochs: 10\n", dvc=DVC)
    return folder


def cloned(upstream: Path) -> Path:
    folder = upstream.with_name("mine")
    git(upstream.parent, "clone", "--quiet", "upstream", "mine")
    assert is_clone(folder)
    return folder


@pytest.mark.parametrize("how", [("--no-edit",), ("--rebase",)], ids=["merge", "rebase"])
def test_pull_keeps_params_and_merges_what_dvc_watches(
    upstream: Path, how: tuple[str, ...]
) -> None:
    mine = cloned(upstream)
    assert settle_merges(mine)
    assert settle_merges(mine)  # once more changes nothing
    assert (mine / ".git/info/attributes").read_text().count("params.yaml") == 1
    commit(mine, params="project: houses\nepochs: 99\n", dvc=OWN_DVC)
    theirs = DVC.replace("fetch.py\n", "fetch.py\n      - src/layerline/sources\n")
    commit(upstream, params="project: digits\nepochs: 20\n", dvc=theirs)
    git(mine, "pull", "--quiet", *how)
    assert (mine / "params.yaml").read_text() == "project: houses\nepochs: 99\n"
    watched = YAML(typ="safe").load(mine / "dvc.yaml")["stages"]["fetch"]["deps"]
    assert sorted(watched) == ["houses.csv", "pipeline/fetch.py", "src/layerline/sources"]
    assert not git(mine, "status", "--porcelain")


def test_without_a_repository_nothing_is_settled(tmp_path: Path) -> None:
    assert not is_clone(tmp_path)
    assert not settle_merges(tmp_path)
