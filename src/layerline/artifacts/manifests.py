"""Folders sealed with a manifest: the sha256 of each file, checked by whoever reads.

DVC trusts read-only cache objects without hashing them, so a flipped bit would otherwise travel on.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from layerline.artifacts.atomic_files import named_when_full, sha256_of, sync, to_json, write_json
from layerline.artifacts.json_files import damaged, read_json
from layerline.errors import SourceError

MANIFEST = "manifest.json"
SEAL = "sha256"  # of the manifest's other content


@contextlib.contextmanager
def replace_folder(
    path: Path, about: Mapping[str, Any], known: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Path]:
    """Yield a temporary folder; on success it is sealed with a manifest and takes `path`'s place.

    Args:
        path: the folder to replace.
        about: what the manifest records besides the files' hashes; mutable until the block ends.
        known: the sha256 of files that are copies; mutable as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in (
        *path.parent.glob(f".{path.name}.*.tmp"),
        *path.parent.glob(f".{path.name}.*.old"),
    ):
        shutil.rmtree(left, ignore_errors=True)  # of a killed stage: we hold the project's lock
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        with named_when_full(path):
            yield temporary
        files = sorted(file for file in temporary.rglob("*") if file.is_file())
        content = {**about, "files": _hashes(temporary, files, known)}
        content.pop(SEAL, None)  # of the manifest that `about` was read from
        write_json(temporary / MANIFEST, {**content, SEAL: _seal_of(content)})
        for file in files:
            sync(file)
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        if path.exists():
            _require_ours(path)
            os.replace(path, old)
        os.replace(temporary, path)
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _hashes(folder: Path, files: list[Path], known: Mapping[str, str]) -> dict[str, Any]:
    names = [file.relative_to(folder).as_posix() for file in files]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda name: known.get(name) or sha256_of(folder / name), names)
        return {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha256}
            for name, sha256 in zip(names, found, strict=True)
        }


def _require_ours(path: Path) -> None:
    """Refuse to replace a folder that no stage made: it may be the only copy."""
    if any(path.iterdir()) and not (path / MANIFEST).is_file():
        raise SourceError(
            f"{path}: holds files that no stage made; move them elsewhere: the stages replace it"
        )


def _seal_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(to_json(content).encode()).hexdigest()


@dataclass(frozen=True)
class _FileRecord:
    sha256: str


_FILES = TypeAdapter(dict[str, _FileRecord])


def read_manifest(folder: Path, name: str = MANIFEST) -> dict[str, Any]:
    """Read a folder's manifest and check the sha256 of every file it names.

    Raises:
        SourceError: the manifest or a file is missing or damaged.
    """
    manifest = read_json(folder / name)
    seal = manifest.pop(SEAL, None)  # earlier releases wrote none
    if seal is not None and seal != _seal_of(manifest):
        raise damaged(folder / name, "its content is not what its own sha256 is of")
    try:
        files = _FILES.validate_python(manifest["files"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("files", *first["loc"])))
        raise damaged(folder / name, f"{where}: {first['msg'].lower()}") from None
    for listed, recorded in files.items():
        file = folder / listed
        if not file.is_file():
            raise SourceError(f"{file}: missing, though {name} names it; run `dvc repro -f`")
        found = sha256_of(file)
        if found != recorded.sha256:
            raise SourceError(
                f"{file}: sha256 is {found[:12]}…, {name} recorded {recorded.sha256[:12]}…; "
                "the file was changed or damaged after the stage that made it: "
                "remove it and its copy in DVC's cache, then run `dvc repro -f`"
            )
    return manifest
