"""A version whose files were swapped, edited or added to is neither loaded nor called unchanged."""

import importlib.util
import py_compile
import shutil
import zlib
from pathlib import Path

import pytest

from layerline.errors import SourceError
from layerline.registry.administration import promote_version, rollback_champion, verify_versions
from layerline.registry.client import open_registry
from layerline.registry.predict import load_registered
from layerline.registry.registration import files_of
from layerline.registry.version_files import INSIDE, compiled_code, files_sha256, read_mlmodel
from layerline.serving.load_model import load, parse_source


@pytest.fixture
def project(store, made, tmp_path, request):
    """Two versions, the first of which is champion; and the folder of each."""
    name = f"files-{zlib.crc32(request.node.name.encode())}"
    for kind in ("numbers", "classes"):
        store.register(made(kind), name, tmp_path)
    return name


def folder_of(store, project, number) -> Path:
    with open_registry(store.home, "testing") as client:
        return Path(files_of(client, project, number))


def failed(report):
    return [finding.what for finding in report.findings if finding.passed is False]


def test_the_files_of_another_version_are_refused_at_every_door(store, project):
    first, second = (folder_of(store, project, number) for number in "12")
    shutil.rmtree(second)
    shutil.copytree(first, second)  # whole: its manifest agrees with its files
    uri = f"models:/{project}/2"
    for door in (load_registered, lambda uri, home: load(parse_source(uri), home)):
        with pytest.raises(SourceError, match=r"network\.safetensors has sha256 .* registered was"):
            door(uri, store.home)
    with open_registry(store.home, "testing"):
        from mlflow import pyfunc

        with pytest.raises(Exception, match=r"registered was") as caught:
            pyfunc.load_model(uri)
    assert type(caught.value).__name__ == "SourceError"
    (report,) = verify_versions(store.home, project, "champion", "2")
    assert {"network.safetensors", "files", "MLmodel"} <= set(failed(report))
    with pytest.raises(SourceError, match="promoting it was refused"):
        promote_version(store.home, project, "champion", "2")


PLANTED = """
from pathlib import Path
Path({mark!r}).touch()
{source}
"""


def plant(source: Path, mark: Path) -> None:
    """Compiled code that passes for that of `source`, and touches a file when it runs."""
    text, stat = source.read_text(), source.stat()
    cache = Path(importlib.util.cache_from_source(str(source)))
    other = source.with_name("planted.py")
    other.write_text(PLANTED.format(mark=str(mark), source=text))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH  # the source is not even looked at
    py_compile.compile(str(other), str(cache), dfile=str(source), invalidation_mode=mode)
    other.unlink()
    assert source.stat() == stat


def test_planted_compiled_code_does_not_run_and_is_removed(store, project, tmp_path):
    folder = folder_of(store, project, "2")
    mark = tmp_path / "it ran"
    for name in ("pyfunc_model.py", "code/layerline/model/load.py", "code/layerline/__init__.py"):
        plant(folder / name, mark)
    (report,) = verify_versions(store.home, project, "champion", "2", dry_run=True)
    assert report.passed
    assert [f.what for f in report.findings if f.passed is None] == ["compiled code"]
    assert compiled_code(folder)
    promote_version(store.home, project, "champion", "2")
    assert not compiled_code(folder)
    assert not mark.exists()
    plant(folder_of(store, project, "1") / "pyfunc_model.py", mark)
    assert rollback_champion(store.home, project, "champion").after == "1"
    assert not compiled_code(folder_of(store, project, "1"))
    plant(folder / "pyfunc_model.py", mark)
    with open_registry(store.home, "testing"):
        from mlflow import pyfunc

        pyfunc.load_model(f"models:/{project}/2")
    assert mark.exists()  # or the test proves nothing


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mlflow.pyfunc.loaders.code_model", "os", "loader_module is 'os'"),
        ("path: artifacts/bundle", "path: ../../1/artifacts/bundle", "bundle is"),
        ("model_code_path: pyfunc_model.py", "model_code_path: code/evil.py", "model_code_path is"),
        ("python_version: 3", "python_version: 4", "MLmodel has sha256"),
        ("flavors:", "flavours:", "damaged"),
        ("flavors:", "\tflavors:", "damaged"),
    ],
)
def test_an_edited_mlmodel_is_found(old, new, message, store, project):
    path = folder_of(store, project, "2") / "MLmodel"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    (report,) = verify_versions(store.home, project, "champion", "2")
    assert failed(report) == ["MLmodel"]
    assert message in next(f.message for f in report.findings if f.what == "MLmodel")
    with pytest.raises(SourceError, match="promoting it was refused"):
        promote_version(store.home, project, "champion", "2")


def test_a_linked_folder_of_code_is_found(store, project, tmp_path):
    folder = folder_of(store, project, "2")
    before = files_sha256(folder)
    (tmp_path / "elsewhere").mkdir()
    (folder / "code" / "torch").symlink_to(tmp_path / "elsewhere")
    assert files_sha256(folder) != before
    (report,) = verify_versions(store.home, project, "champion", "2")
    assert failed(report) == ["files"]


def test_a_champion_with_changed_code_is_not_run_by_a_registration(store, project, made, tmp_path):
    folder = folder_of(store, project, "1")
    mark = tmp_path / "it ran"
    code = folder / "pyfunc_model.py"
    code.write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n{code.read_text()}")
    facts = store.register(made("images"), project, tmp_path)
    assert not facts["promoted"]
    assert "loading it was refused" in facts["reason"]
    assert not mark.exists()


def test_mlmodel_names_no_place_of_this_machine(store, project):
    folder = folder_of(store, project, "1")
    for path in (folder / "MLmodel", *(folder / INSIDE).glob("*.json")):
        text = path.read_text()
        assert "/tmp" not in text
        assert str(store.home) not in text
        assert str(Path(__file__).parents[2]) not in text
    assert (
        read_mlmodel(folder)["flavors"]["python_function"]["model_code_path"] == "pyfunc_model.py"
    )
