"""Where each artifact lives, atomic writes, and manifests with the sha256 of each file.

A stage writes a folder through `replace_folder`: everything goes to a temporary sibling, is
fsynced and described by `manifest.json`, and only then takes the place of the old folder.
Whoever reads a folder calls `read_manifest`, which recomputes every sha256: DVC trusts read-only
cache objects without hashing them, so a flipped bit would otherwise travel on.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerline.errors import SourceError

MANIFEST = "manifest.json"
NETWORK_WEIGHTS, NETWORK_SPEC = "network.safetensors", "spec.json"  # in models/network
TRANSFER = "transfer.json"  # there too, when the training started from known weights
FORGETTING = "forgetting.safetensors"  # and there: losses of the source's rows
STAGES = ("fetch", "validate", "scale", "train", "evaluate", "register")


@dataclass(frozen=True)
class Workspace:
    """The folders of one checkout; `root` holds params.yaml and dvc.yaml."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def raw(self) -> Path:
        return self.root / "data" / "raw"

    @property
    def validated(self) -> Path:
        return self.root / "data" / "validated"

    @property
    def scaled(self) -> Path:
        return self.root / "data" / "scaled"

    @property
    def preprocessor(self) -> Path:
        return self.root / "models" / "preprocessor"

    @property
    def network(self) -> Path:
        return self.root / "models" / "network"

    @property
    def decision(self) -> Path:
        """Temperature and threshold, fitted on the validation rows."""
        return self.root / "models" / "decision"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def plots(self) -> Path:
        return self.reports / "plots"

    @property
    def predictions(self) -> Path:
        """What the network predicted for the test rows, beside their truth."""
        return self.reports / "predictions.parquet"

    def run_file(self, stage: str) -> Path:
        """runs/<stage>.json: which MLflow run the stage's outputs came from."""
        return self.root / "runs" / f"{stage}.json"

    @property
    def locks(self) -> Path:
        return self.root / ".layerline" / "locks"

    @property
    def home(self) -> Path:
        """The main checkout, also in DVC's temporary workspaces: the store is there."""
        return Path(os.environ.get("DVC_ROOT") or self.root).resolve()

    @property
    def journals(self) -> Path:
        return journals_of(self.home)


def journals_of(home: Path) -> Path:
    """Where the journals of a checkout are; `home` is the main checkout."""
    return home / ".layerline" / "journals"


@dataclass(frozen=True)
class SourceFiles:
    """Files on this machine: weights, and what lies beside them where a training of ours made them.

    `identity` says in words whose they are: `from`, and as far as there are such `run`, `model`,
    `version`, `revision`. `sha256_start` is what the weights' sha256 must begin with, as their
    publisher says; a sha256 in params.yaml goes before it. `holdout` is where rows are that the
    source knew: a folder `data` or `data/validated`, or a Parquet file.
    """

    weights: Path
    spec: Path | None = None
    preprocessor: Path | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    sha256_start: str = ""
    holdout: Path | None = None


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it is fsynced and renamed to `path`, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(value: Any) -> str:
    """Canonical, readable JSON: sorted keys, two spaces, no NaN, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON atomically."""
    write_text(path, to_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON artifact of an earlier stage.

    Raises:
        SourceError: it is missing or not JSON; the message names the file and the remedy.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path}: not there; run the earlier stages first: `dvc repro`") from None
    except ValueError as error:
        raise SourceError(f"{path}: damaged ({error}); remove it and run `dvc repro`") from None


@contextlib.contextmanager
def replace_folder(path: Path, about: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a temporary folder; on success it is sealed with a manifest and takes `path`'s place.

    Args:
        path: the folder to replace.
        about: what the manifest says besides the files' hashes; mutable until the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in (
        *path.parent.glob(f".{path.name}.*.tmp"),
        *path.parent.glob(f".{path.name}.*.old"),
    ):
        shutil.rmtree(left, ignore_errors=True)  # of a killed stage: the checkout's lock is ours
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        files = sorted(file for file in temporary.rglob("*") if file.is_file())
        hashes = {
            file.relative_to(temporary).as_posix(): {
                "bytes": file.stat().st_size,
                "sha256": sha256_of(file),
            }
            for file in files
        }
        write_json(temporary / MANIFEST, {**about, "files": hashes})
        for file in files:
            _sync(file)
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        if path.exists():
            _require_ours(path)
            os.replace(path, old)
        os.replace(temporary, path)
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_ours(path: Path) -> None:
    """Refuse to replace a folder that no stage made: it may hold somebody's only copy."""
    if any(path.iterdir()) and not (path / MANIFEST).is_file():
        raise SourceError(
            f"{path}: holds files that no stage made; move them elsewhere, the stages replace it"
        )


def read_manifest(folder: Path, name: str = MANIFEST) -> dict[str, Any]:
    """Read a folder's manifest and check the sha256 of every file it names.

    Raises:
        SourceError: the manifest or a file is missing, or a file's bytes are not those recorded.
    """
    manifest: dict[str, Any] = read_json(folder / name)
    for listed, recorded in manifest["files"].items():
        file = folder / listed
        if not file.is_file():
            raise SourceError(f"{file}: missing, though {name} names it; run `dvc repro -f`")
        found = sha256_of(file)
        if found != recorded["sha256"]:
            raise SourceError(
                f"{file}: sha256 is {found[:12]}…, {name} recorded {recorded['sha256'][:12]}…; "
                "the file was changed or damaged after the stage that made it: "
                "remove it and its copy in DVC's cache, then run `dvc repro -f`"
            )
    return manifest
