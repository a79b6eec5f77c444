"""Which files DVC watches for each source."""

import zipfile
from pathlib import Path

import pytest

from layerline.config import FetchSection
from layerline.projects.watched_files import must_fetch, source_paths


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
    def section(source: str, **options: object) -> FetchSection:
        return FetchSection(source=source, options=options)

    dvc = "stages: {fetch: {cmd: x, deps: [pipeline/fetch.py, shop.csv]}}\n"
    (tmp_path / "dvc.yaml").write_text(dvc)
    assert not must_fetch(tmp_path, section("files", path="shop.csv"))
    assert must_fetch(tmp_path, section("files", path="other.csv"))
    assert must_fetch(tmp_path, section("files", path="https://example.org/shop.csv"))
    assert must_fetch(tmp_path, section("files", path=["shop.csv", "s3://b/shop.csv"]))
    assert must_fetch(tmp_path, section("sql", url="postgresql://h/db", query="select 1"))
    assert not must_fetch(tmp_path, section("sql", url="sqlite:///shop.csv", query="select 1"))
    assert not must_fetch(tmp_path, section("sklearn", dataset="digits"))
