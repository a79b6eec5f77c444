"""Folders appear whole or not at all, and a flipped bit is noticed."""

import copy
import dataclasses
import errno
import json
from pathlib import Path
from typing import Any

import pytest

from layerline.artifacts import (
    read_json,
    read_json_as,
    read_manifest,
    read_run_key,
    replace_file,
    replace_folder,
    write_json,
)
from layerline.errors import SourceError


def make(folder: Path, content: bytes = b"abc") -> None:
    with replace_folder(folder, {"kind": "table"}) as temporary:
        (temporary / "a.bin").write_bytes(content)


def test_a_folder_is_sealed_with_hashes(tmp_path: Path) -> None:
    make(tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest["kind"] == "table"
    assert manifest["files"]["a.bin"]["bytes"] == 3
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    make(tmp_path / "out", b"old")

    def fail() -> None:
        with replace_folder(tmp_path / "out", {}) as temporary:
            (temporary / "a.bin").write_bytes(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with replace_file(path) as temporary:
            temporary.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "out")
    (tmp_path / "out" / "a.bin").write_bytes(b"abb")
    with pytest.raises(SourceError, match=r"a\.bin: sha256 is .* recorded"):
        read_manifest(tmp_path / "out")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "out")
    (tmp_path / "out" / "a.bin").unlink()
    with pytest.raises(SourceError, match="missing, though"):
        read_manifest(tmp_path / "out")


def test_missing_and_damaged_json_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="run the earlier stages first"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(SourceError, match="damaged"):
        read_json(tmp_path / "a.json")


def test_equal_content_has_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name)
    first, second = ((tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two"))
    assert first == second
    assert list(json.loads(first)) == sorted(json.loads(first))


def test_json_objects_of_a_file_can_be_copied_into_other_records(tmp_path: Path) -> None:
    write_json(tmp_path / "spec.json", {"options": {"hidden": [8]}})
    spec = read_json(tmp_path / "spec.json")

    @dataclasses.dataclass
    class Spec:
        options: dict[str, Any]

    assert dataclasses.asdict(Spec(**spec)) == {"options": {"hidden": [8]}}
    assert copy.deepcopy(spec) == {"options": {"hidden": [8]}}
    with pytest.raises(SourceError, match=r"spec\.json: damaged \('network' is missing\)"):
        spec["network"]


@pytest.mark.parametrize("text", ["[]", "null", "3", '"text"', "[" * 100_000, "\x00", ""])
def test_json_that_is_no_object_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SourceError, match=r"a\.json: damaged .*; remove it and run `dvc repro`"):
        read_json(tmp_path / "a.json")


def test_a_key_that_is_missing_is_damage_wherever_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"deep": {"n_rows": 3}}')
    facts = read_json(tmp_path / "a.json")
    assert facts["deep"]["n_rows"] == 3
    assert facts.get("other") is None
    for part in (facts, facts["deep"]):
        with pytest.raises(SourceError, match=r"a\.json: damaged \('target' is missing\)"):
            part["target"]


@pytest.mark.parametrize("text", ['{"n": "x"}', '{"n": null}', '{"n": []}', "[]", "{}", "null"])
def test_values_of_another_shape_are_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SourceError, match=r"a\.json: damaged"):
        read_json_as(tmp_path / "a.json", lambda content: int(content["n"]))


@pytest.mark.parametrize("text", ['{"n": 1e400}', '{"n": Infinity}', '{"deep": [{"n": NaN}]}'])
def test_numbers_that_json_cannot_hold_are_damage(tmp_path: Path, text: str) -> None:
    make(tmp_path / "out")
    for path in (tmp_path / "a.json", tmp_path / "out" / "manifest.json"):
        path.write_text(text)
        with pytest.raises(SourceError, match=rf"{path.name}: damaged"):
            read_json(path)


@pytest.mark.parametrize("key", ["1e3", "null", "[]", '""', '"../x"', "true"])
def test_a_runs_key_of_another_shape_is_damage(tmp_path: Path, key: str) -> None:
    (tmp_path / "train.json").write_text(f'{{"key": {key}}}')
    with pytest.raises(SourceError, match=r"train\.json: damaged \(ValueError: 'key' is"):
        read_run_key(tmp_path / "train.json")


@pytest.mark.parametrize("files", ["[]", "null", '{"a.bin": []}', '{"a.bin": {}}', '{"a.bin": 3}'])
def test_a_manifest_of_another_shape_is_damage(tmp_path: Path, files: str) -> None:
    make(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_text(f'{{"files": {files}}}')
    with pytest.raises(SourceError, match=r"manifest\.json: damaged \(files"):
        read_manifest(tmp_path / "out")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError('I/O error: Os { code: 28, message: "No space left on device" }'),
    ],
)
def test_a_full_disk_names_the_file(tmp_path: Path, error: Exception) -> None:
    for replace in (replace_file, lambda path: replace_folder(path, {})):
        with pytest.raises(OSError, match="No space left") as caught, replace(tmp_path / "out"):
            raise error
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n_rows", "classes"])
@pytest.mark.parametrize("value", [None, [], -1, "x"])
def test_a_manifest_proves_its_own_content(tmp_path: Path, name: str, value: Any) -> None:
    with replace_folder(tmp_path / "out", {"n_rows": 3, "classes": {"a": 0.1, "b": float(2**53)}}):
        pass
    path = tmp_path / "out" / "manifest.json"
    content = json.loads(path.read_text())
    assert read_manifest(tmp_path / "out")["n_rows"] == 3
    path.write_text(json.dumps(content | {name: value}))
    with pytest.raises(SourceError, match=r"manifest\.json: damaged"):
        read_manifest(tmp_path / "out")
    path.write_text(json.dumps({key: content[key] for key in content if key != name}))
    with pytest.raises(SourceError, match=r"manifest\.json: damaged"):
        read_manifest(tmp_path / "out")


def test_a_manifest_of_an_earlier_release_has_no_hash_of_its_own(tmp_path: Path) -> None:
    with replace_folder(tmp_path / "out", {"n_rows": 3}):
        pass
    path = tmp_path / "out" / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: content[key] for key in ("n_rows", "files")}))
    assert read_manifest(tmp_path / "out") == {"n_rows": 3, "files": {}}
