"""dvc.lock and DVC's cache as DVC writes them, read without it."""

import os
import subprocess
import sys

import pytest

from layerline.tracking.dvc_lock import (
    cached_file,
    cached_folder,
    dvc_md5,
    lock_before,
    read_lock,
)
from layerline.tracking.run_reasons import why_ran

DVC_YAML = """
stages:
  fetch:
    cmd: mkdir -p data/raw/deep && echo 1 > data/raw/deep/a.txt && echo 2 > data/raw/b.txt
    outs: [data/raw]
  train:
    cmd: echo 3 > model.txt
    deps: [data/raw]
    outs: [model.txt]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    (folder / "dvc.yaml").write_text(DVC_YAML)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    for command in (["init", "-q", "--no-scm"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, env=clean, check=True)
    return folder


def test_hashes_are_those_that_dvc_recorded(made):
    outs = {out["path"]: out["md5"] for stage in read_lock(made).values() for out in stage["outs"]}
    assert outs == {name: dvc_md5(made / name) for name in ("data/raw", "model.txt")}


def test_the_cache_holds_files_and_the_lists_of_folders(made):
    assert cached_file(made, dvc_md5(made / "model.txt")).read_text() == "3\n"
    files = cached_folder(made, dvc_md5(made / "data/raw"))
    assert files is not None
    assert {name: cached_file(made, md5).read_text() for name, md5 in files.items()} == {
        "deep/a.txt": "1\n",
        "b.txt": "2\n",
    }
    assert cached_folder(made, "0" * 32 + ".dir") is None


def test_a_cache_elsewhere_is_found(made, tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[cache]\n    dir = ../elsewhere\n")
    assert cached_file(tmp_path, "abcd") == tmp_path / ".dvc/../elsewhere/files/md5/ab/cd"


def test_the_lock_of_the_stages_before_one(made):
    assert "fetch:" in lock_before(made, "train")
    assert "train:" not in lock_before(made, "train")
    assert lock_before(made, "fetch") == ""


@pytest.mark.parametrize("text", [None, "", "stages: 7", "a: [b", "\0"])
def test_a_lock_file_that_cannot_be_read_is_empty(tmp_path, text):
    if text is not None:
        (tmp_path / "dvc.lock").write_text(text)
    assert read_lock(tmp_path) == {}


TORN = [
    "stages:\n  train:\n    cm",
    "stages:\n  train:\n    cmd: x\n    deps:\n    - pa",
    "stages:\n  train:\n    cmd: x\n    deps:\n    - path: a\n      md5:\n      - 1",
    "stages:\n  train:\n    cmd: x\n    deps:\n    - path: a\n      md5: b\n      size: ten",
    "stages:\n  train:\n    cmd: x\n    params:\n      params.yaml: tr",
    "stages:\n  train:\n    outs: models",
    "stages: {train: null}",
]


@pytest.mark.parametrize("text", TORN)
def test_an_entry_that_is_not_whole_is_none(tmp_path, text):
    whole = "\n  scale:\n    cmd: y" if text.startswith("stages:\n") else ""
    (tmp_path / "dvc.lock").write_text(text + whole)
    (tmp_path / "dvc.yaml").write_text("stages:\n  train: pyth")
    assert "train" not in read_lock(tmp_path)
    assert ("scale" in read_lock(tmp_path)) == bool(whole)
    assert why_ran(tmp_path, "train") == "started without DVC; first run"
    assert "the command changed" not in why_ran(tmp_path, "scale")
