"""The files of a version, of which some are code: hashed, and freed from what was added later.

MLflow keeps no digests. All files are under one hash but those that MLflow itself writes later, and
compiled code, which Python leaves beside a source whenever a version is loaded where it lies.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from layerline.artifacts import sha256_of
from layerline.errors import SourceError

MLMODEL, PYFUNC_CODE = "MLmodel", "pyfunc_model.py"
INSIDE = Path("artifacts") / "bundle"  # of an MLflow model
_WRITTEN_BY_MLFLOW = ("registered_model_meta", MLMODEL)
_CACHE = "__pycache__"
# What decides which code MLflow runs, and on which files.
_LOADED_BY = {
    "loader_module": "mlflow.pyfunc.loaders.code_model",
    "code": "code",
    "model_code_path": PYFUNC_CODE,
    "bundle": INSIDE.as_posix(),
}


def files_sha256(folder: Path) -> str:
    """One hash over the names and bytes of all files of an MLflow model.

    Left out are what MLflow writes itself (`mlmodel_sha256` is of its MLmodel) and compiled code,
    which `compiled_code` lists.
    """
    lines = [
        f"{_content(path)} {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if (path.is_file() or path.is_symlink())
        and path.relative_to(folder).as_posix() not in _WRITTEN_BY_MLFLOW
        and _CACHE not in path.parts
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _content(path: Path) -> str:
    # A link to a folder is followed by an import, and not by rglob.
    return f"link to {path.readlink()}" if path.is_symlink() else sha256_of(path)


def compiled_code(folder: Path) -> list[Path]:
    """The folders of compiled code: what lies there would run instead of its source."""
    return sorted(path for path in folder.rglob(_CACHE) if path.parent.name != _CACHE)


def remove_compiled_code(folder: Path) -> int:
    """Remove compiled code, which Python makes again from the source; return the folders removed.

    Raises:
        SourceError: it cannot be removed.
    """
    found = compiled_code(folder)
    try:
        for cache in found:
            if cache.is_symlink() or cache.is_file():
                cache.unlink()
            else:
                shutil.rmtree(cache)
    except OSError as error:
        raise SourceError(
            f"{folder}: holds compiled code that was not registered, and it cannot be removed "
            f"({error}); delete its {_CACHE} folders"
        ) from None
    return len(found)


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """The MLmodel file.

    Raises:
        SourceError: it is missing, not YAML, or would run other code than the version's own.
    """
    path = folder / MLMODEL
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        flavor = content["flavors"]["python_function"]
        found = {
            "loader_module": flavor["loader_module"],
            "code": flavor["code"],
            "model_code_path": str(flavor["model_code_path"]).rpartition("/")[2],
            "bundle": flavor["artifacts"]["bundle"]["path"],
        }
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(f"{path}: damaged ({reason}); the version was not loaded") from None
    for key, expected in _LOADED_BY.items():
        if found[key] != expected:
            raise SourceError(
                f"{path}: {key} is {found[key]!r}, registered versions have {expected!r}: it would "
                "run other code; the version was not loaded"
            )
    return dict(content)


def mlmodel_sha256(folder: Path) -> str:
    """A hash of the content of MLmodel, however MLflow formats it.

    Raises:
        SourceError: as `read_mlmodel`.
    """
    text = json.dumps(read_mlmodel(folder), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def make_relocatable(folder: Path) -> None:
    """Take this machine's absolute paths out of MLmodel; MLflow needs only their last parts."""
    path = folder / MLMODEL
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    content = yaml.load(path.read_text(encoding="utf-8"))
    flavor = content["flavors"]["python_function"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
