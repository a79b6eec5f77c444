"""Outputs that other params made are recognised by what dvc.lock recorded."""

from pathlib import Path

import pytest

from layerline.artifacts import Workspace
from layerline.errors import ParamsError
from layerline.projects.outdated import outdated, require_current

PARAMS = """
project: shop
fetch: {source: files, options: {path: shop.csv}}
scale: {numeric: standard}
train: {epochs: 60, options: {hidden: [8]}}
"""
LOCK = """
schema: '2.0'
stages:
  fetch:
    cmd: python pipeline/fetch.py
    params:
      params.yaml:
        fetch: {source: files, options: {path: shop.csv}}
  scale:
    cmd: python pipeline/scale.py
    params:
      params.yaml:
        scale: {numeric: standard}
  train:
    cmd: python pipeline/train.py
    params:
      params.yaml:
        train: {epochs: 60, options: {hidden: [8]}}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.lock").write_text(LOCK)
    return Workspace(tmp_path)


def test_the_same_params_are_current(workspace: Workspace) -> None:
    assert outdated(workspace) == []
    require_current(workspace, "train")


def test_each_difference_is_named(workspace: Workspace) -> None:
    workspace.params.write_text(PARAMS.replace("60", "80").replace("[8]", "[8, 4]"))
    assert outdated(workspace) == ["train.epochs: 60 → 80", "train.options.hidden: [8] → [8, 4]"]
    require_current(workspace, "scale")  # a later stage's params do not matter to it


def test_outputs_of_another_source_are_refused(workspace: Workspace) -> None:
    workspace.params.write_text(PARAMS.replace("shop.csv", "houses.csv"))
    for stage in ("fetch", "scale"):
        with pytest.raises(ParamsError, match=f"run `dvc repro {stage}` first") as caught:
            require_current(workspace, stage)
        assert "fetch.options.path: shop.csv → houses.csv" in str(caught.value)


@pytest.mark.parametrize("lock", [None, "", "[]", "stages: 3", "stages: {fetch: {}}", "{"])
def test_without_a_record_nothing_is_known(workspace: Workspace, lock: str | None) -> None:
    (workspace.root / "dvc.lock").unlink()
    if lock is not None:
        (workspace.root / "dvc.lock").write_text(lock)
    assert outdated(workspace) == []
