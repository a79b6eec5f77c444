"""Which files DVC watches for each source."""

import zipfile
from pathlib import Path

import pytest

from layerline.config import FetchSection
from layerline.projects.watched_files import source_paths


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
