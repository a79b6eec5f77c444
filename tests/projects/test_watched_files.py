"""Which files DVC watches for each source."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from layerline.config import FetchSection, Params
from layerline.projects.watched_files import (
    must_fetch,
    source_paths,
    untracked,
    unwatched,
    watch,
)


@pytest.mark.parametrize(
    ("source", "options", "paths"),
    [
        ("files", {"path": "a.csv"}, ["a.csv"]),
        ("files", {"path": ["a.csv", "https://h/b.csv"]}, ["a.csv"]),
        ("files", {"path": "shop.zip/rows/*.csv"}, ["shop.zip"]),
        ("image_folder", {"path": "pictures"}, ["pictures"]),
        ("image_folder", {"path": "p.zip", "labels": "l.csv"}, ["p.zip", "l.csv"]),
        ("sql", {"url": "sqlite:///shop.db", "table": "t"}, ["shop.db"]),
        ("sql", {"url": "postgresql://h/shop", "table": "t"}, []),
        ("sql", {"url_env": "SHOP_DB", "table": "t"}, []),
        ("sklearn", {"dataset": "iris"}, []),
        ("openml", {"id": 31}, []),
    ],
)
def test_source_paths(
    source: str,
    options: dict[str, object],
    paths: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("shop.zip", "w") as archive:
        archive.writestr("rows/a.csv", "x\n")
    assert source_paths(FetchSection(source=source, options=options)) == paths


def test_a_source_that_dvc_cannot_watch_is_fetched_again(tmp_path: Path) -> None:
    def section(source: str, **options: object) -> Params:
        return Params(project="p", fetch=FetchSection(source=source, options=options))

    dvc = "stages: {fetch: {cmd: x, deps: [pipeline/fetch.py, shop.csv]}}\n"
    (tmp_path / "dvc.yaml").write_text(dvc)
    assert not must_fetch(tmp_path, section("files", path="shop.csv"))
    assert must_fetch(tmp_path, section("files", path="other.csv"))
    assert must_fetch(tmp_path, section("files", path="https://example.org/shop.csv"))
    assert must_fetch(tmp_path, section("files", path=["shop.csv", "s3://b/shop.csv"]))
    assert must_fetch(tmp_path, section("sql", url="postgresql://h/db", query="select 1"))
    assert not must_fetch(tmp_path, section("sql", url="sqlite:///shop.csv", query="select 1"))
    assert not must_fetch(tmp_path, section("sklearn", dataset="digits"))


def dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


NAMES = ("sales [may].csv", "a ${x} b.csv", "東京.csv", "x#y: z.csv", "what?.csv", "it's 100%.csv")


def test_dvc_watches_files_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        (tmp_path / name).write_text("x,y\n1,a\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  fetch:\n    cmd: echo 1 > out\n    deps:\n      - dvc.yaml\n    outs: [out]\n"
    )
    section = FetchSection(source="files", options={"path": list(NAMES)})
    assert watch(tmp_path, Params(project="p", fetch=section)) == list(NAMES)
    assert unwatched(tmp_path / "dvc.yaml", section) == []
    assert not must_fetch(tmp_path, Params(project="p", fetch=section))
    dvc(tmp_path, "init", "--no-scm", "-q")
    dvc(tmp_path, "repro", "-q")
    assert "up to date" in dvc(tmp_path, "status")
    for name in NAMES:
        (tmp_path / name).write_text("x,y\n2,b\n")
    modified = dvc(tmp_path, "status")
    assert [name for name in NAMES if name not in modified] == []


@pytest.mark.parametrize(
    ("path", "dep"),
    [
        ("shop/*.csv", "shop"),
        ("shop/*/t.csv", "shop"),
        ("shop/[ab]/t.csv", "shop"),
        ("*.csv", None),
        ("t?.csv", None),
    ],
)
def test_a_pattern_is_watched_by_its_folder_but_never_by_the_root(
    path: str, dep: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    deps = "stages: {fetch: {cmd: x, deps: [pipeline/fetch.py]}}\n"
    (tmp_path / "dvc.yaml").write_text(deps)
    section = FetchSection(source="files", options={"path": path})
    assert watch(tmp_path, Params(project="p", fetch=section)) == ([dep] if dep else [])
    assert must_fetch(tmp_path, Params(project="p", fetch=section)) == (dep is None)


def test_files_that_neither_git_nor_dvc_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def names(path: str) -> list[str]:
        return untracked(tmp_path, FetchSection(source="files", options={"path": path}))

    for name in ("[a] b.csv", "known.csv", "added.csv", "added.csv.dvc"):
        (tmp_path / name).write_text("x")
    assert names("known.csv") == []  # no repository
    for command in (["init", "-q"], ["add", "known.csv"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert names("[a] b.csv") == ["[a] b.csv"]
    assert names("known.csv") == names("added.csv") == names("/tmp") == []
