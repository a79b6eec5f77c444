"""OpenML tables, from a local server that answers as openml.org does."""

import gc
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fileserver import FileServer, file_server
from sklearn.datasets import _openml

from layerline.errors import LayerlineError
from layerline.sources import SOURCES, SourceInfo
from layerline.tables.storage import read_table

ARFF = b"""@relation shop
@attribute id numeric
@attribute price numeric
@attribute zip string
@attribute kind {a,b,'in between'}
@data
1,0.1,'00123',a
2,?,'it\\'s','in between'
3,2.0000000000000004,'NA',?
"""
URLS = ("_SEARCH_NAME", "_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES")


def feature(index: int, name: str, kind: str, *, is_target: bool = False) -> dict[str, Any]:
    return {
        "index": str(index),
        "name": name,
        "data_type": kind,
        "is_target": str(is_target).lower(),
        "is_ignore": "false",
        "is_row_identifier": "false",
        "number_of_missing_values": "0",
    }


def answers(url: str, arff: bytes = ARFF, md5: str | None = None) -> dict[str, bytes]:
    """What a server has that knows one data set, number 77."""
    description = {
        "id": "77",
        "name": "shop",
        "version": "2",
        "format": "ARFF",
        "status": "active",
        "description": "A shop.",
        "url": f"{url}data/v1/download/77/shop.arff",
        "md5_checksum": md5 or hashlib.md5(arff).hexdigest(),
        "file_id": "77",
        "default_target_attribute": "kind",
    }
    kinds = [("id", "numeric"), ("price", "numeric"), ("zip", "string"), ("kind", "nominal")]
    features = [feature(i, n, k, is_target=n == "kind") for i, (n, k) in enumerate(kinds)]
    found = {"did": 77, "name": "shop", "version": 2, "status": "active"}
    search = {"data": {"dataset": [found]}}
    rows = {"name": "NumberOfInstances", "value": "3.0"}
    json_of = {
        "api/v1/json/data/77": {"data_set_description": description},
        "api/v1/json/data/features/77": {"data_features": {"feature": features}},
        "api/v1/json/data/qualities/77": {"data_qualities": {"quality": [rows]}},
        "api/v1/json/data/list/data_name/shop/limit/2/status/active/": search,
        "api/v1/json/data/list/data_name/shop/limit/2/data_version/2": search,
    }
    return {name: json.dumps(value).encode() for name, value in json_of.items()} | {
        "data/v1/download/77/shop.arff": arff
    }


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with file_server() as running:
        for name in URLS:
            there = getattr(_openml, name).replace("https://www.openml.org/", running.url(""))
            monkeypatch.setattr(_openml, name, there)
        running.behaviour.files |= answers(running.url(""))
        yield running


def fetch(target: str = "kind", **options: object) -> tuple[pd.DataFrame, SourceInfo]:
    Path("out").mkdir(exist_ok=True)
    info = SOURCES["openml"].build(Path("out"), target, **options)
    assert [path.name for path in Path("out").iterdir()] == ["table.parquet"]
    return read_table(Path("out")), info


@pytest.mark.parametrize("which", [{"id": 77}, {"name": "Shop"}, {"name": "shop", "version": 2}])
def test_by_id_and_by_name(which: dict[str, object], server: FileServer) -> None:
    rows, info = fetch(**which)
    assert rows["id"].tolist() == [1, 2, 3]
    assert rows["price"].tolist()[::2] == [0.1, 2.0000000000000004]
    assert rows["zip"].tolist() == ["00123", "it's", "NA"]
    assert rows["kind"].tolist()[:2] == ["a", "in between"]
    assert rows["kind"].isna().tolist() == [False, False, True]
    assert info.origin["id"] == "77"
    assert info.origin["n_rows"] == 3


def test_what_was_fetched_once_spares_the_network(server: FileServer) -> None:
    first, _ = fetch(id=77, data_home="kept")
    server.behaviour.files.clear()
    again, _ = fetch(id=77, data_home="kept")
    pd.testing.assert_frame_equal(first, again)
    with pytest.raises(LayerlineError, match="cannot be reached and is not in the cache"):
        fetch(id=77, data_home="elsewhere")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({}, 2, "give either an id, or a name"),
        ({"id": 77, "name": "shop"}, 2, "give either an id, or a name"),
        ({"id": 77, "version": 2}, 2, "give either an id, or a name"),
        ({"id": 77, "target": "y"}, 3, "(OpenML's own target: kind): there is no target column"),
        ({"id": 78}, 4, "HTTP Error 404"),
    ],
)
def test_refused(options: dict[str, Any], code: int, message: str, server: FileServer) -> None:
    with pytest.raises(LayerlineError, match=re.escape(message)) as caught:
        fetch(**options)
    assert caught.value.exit_code == code


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_set_that_openml_does_not_have(server: FileServer) -> None:
    server.behaviour.status = [412]  # OpenML's way to say so
    with pytest.raises(LayerlineError, match="data_id 99 not found on OpenML") as caught:
        fetch(id=99)
    assert caught.value.exit_code == 2
    gc.collect()  # scikit-learn leaves the answer of this status open


def test_a_body_that_is_not_the_one_described(server: FileServer) -> None:
    server.behaviour.files |= answers(server.url(""), md5="0" * 32)
    with pytest.raises(LayerlineError, match=r"damaged or not as described .*md5") as caught:
        fetch(id=77)
    assert caught.value.exit_code == 4


def test_no_network(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in URLS:
        monkeypatch.setattr(_openml, name, "http://127.0.0.1:9/{}")
    with pytest.raises(LayerlineError, match="Connection refused") as caught:
        fetch(id=77)
    assert caught.value.exit_code == 4
