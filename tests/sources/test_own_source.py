"""A source of the user's own: a table, or images, from a function of the project."""

import pytest
from own_project import write_own_code

from layerline.artifacts import Workspace
from layerline.config import FetchSection
from layerline.errors import ParamsError, SourceError
from layerline.projects.watched_files import source_paths
from layerline.sources.fetch import fetch
from layerline.tables.storage import read_images, read_table


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    write_own_code(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def section(name, **options):
    return FetchSection(source=f"mine.sources:{name}", options=options, target="kind")


def test_a_table(workspace):
    manifest = fetch(workspace, section("orders", rows=30))
    assert (manifest["n_rows"], manifest["task"]) == (30, "binary")
    assert manifest["source"] == "mine.sources:orders"
    assert list(read_table(workspace.raw)) == ["pieces", "price", "kind"]


def test_images(workspace):
    assert fetch(workspace, section("stripes"))["kind"] == "images"
    assert read_images(workspace.raw).shape == (30, 4, 5)


def test_the_option_path_is_watched():
    assert source_paths(section("orders", path="shop.csv")) == ["shop.csv"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("floats", ParamsError, r"gives images \(3, 4, 4\) of float64 with 3 labels"),
        ("words", ParamsError, "gives str, not a pandas DataFrame, or images"),
        ("away", SourceError, "mine.sources:away: the shop is closed"),
        ("broken", ParamsError, "cannot be run: KeyError: 'price'"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(name, error, message, workspace):
    with pytest.raises(error, match=message):
        fetch(workspace, section(name))
    assert not workspace.raw.exists()
