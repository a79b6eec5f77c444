"""A source that shrank or changed its columns is said aloud, and data/raw does not depend on it."""

from pathlib import Path

import pytest

from layerline.artifacts import Workspace
from layerline.config import FetchSection
from layerline.sources.fetch import fetch
from layerline.sources.last_fetch import Facts, changes, compare_with_last

BEFORE = Facts(10, {"a": "int64", "b": "double", "y": "string"})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (BEFORE, []),
        (BEFORE._replace(n_rows=11), []),
        (BEFORE._replace(n_rows=9), ["the source shrank: 9 rows, 10 at the last fetch"]),
        (Facts(10, {"a": "int64", "y": "string"}), ["gone since the last fetch: b"]),
        (
            Facts(10, {"a": "int64", "b": "double", "y": "string", "c": "bool"}),
            ["new since the last fetch: c"],
        ),
        (
            Facts(10, {"a": "int64", "c": "double", "y": "string"}),
            ["column 'b' is gone and 'c' is in its place: it seems to be renamed"],
        ),
        (
            Facts(10, {"a": "int64", "c": "bool", "y": "string"}),
            ["gone since the last fetch: b", "new since the last fetch: c"],
        ),
        (
            Facts(10, {"a": "string", "b": "double", "y": "string"}),
            ["column 'a' was int64 at the last fetch and is now string"],
        ),
        (BEFORE._replace(image_shape=[28, 28]), ["images were None and are now [28, 28]"]),
    ],
)
def test_changes(now: Facts, said: list[str]) -> None:
    assert changes(BEFORE, now) == said


def run(tmp_path: Path, content: str) -> tuple[list[str], bytes]:
    (tmp_path / "t.csv").write_text(content)
    section = FetchSection(source="files", options={"path": str(tmp_path / "t.csv")}, target="y")
    about = fetch(Workspace(tmp_path), section)
    return about["notes"], (tmp_path / "data" / "raw" / "manifest.json").read_bytes()


def test_a_fetch_says_what_became_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    large, small = "x,y\n1,a\n2,b\n3,a\n", "z,y\n1,a\n2,b\n"
    notes, first = run(tmp_path, large)
    assert notes == []
    notes, _ = run(tmp_path, small)
    assert len(notes) == 2
    assert "shrank: 2 rows, 3" in notes[0]
    assert "'z' is in its place" in notes[1]
    notes, again = run(tmp_path, large)
    assert again == first


def test_other_options_are_another_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    run(tmp_path, "x,y\n1,a\n2,b\n3,a\n")
    other = FetchSection(source="files", options={"path": "elsewhere.csv"}, target="y")
    assert compare_with_last(Workspace(tmp_path), other) == []


def test_facts_that_cannot_be_read_are_no_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    run(tmp_path, "x,y\n1,a\n2,b\n3,a\n")
    (file,) = (tmp_path / ".layerline" / "fetched").iterdir()
    file.write_text("{")
    assert run(tmp_path, "x,y\n1,a\n2,b\n")[0] == []
