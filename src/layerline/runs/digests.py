"""The hash a user asks for, and every hash that a run carries."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from layerline.artifacts import STAGES, sha256_of
from layerline.runs.dvc_hashes import KINDS, recorded
from layerline.runs.open_store import RequestError
from layerline.runs.run import Run
from layerline.tracking.dvc_lock import cached_folder, dvc_md5

MIN_PREFIX = 6
_LENGTHS = (32, 64)
# Tags of one hash each: what it is of, and the stage that made that.
_REGISTRATION = "layerline.registration."
NAMED = {
    "layerline.sha256.network": ("models/network/network.safetensors", "train"),
    f"{_REGISTRATION}network_sha256": ("models/network/network.safetensors", "train"),
    f"{_REGISTRATION}spec_sha256": ("models/network/spec.json", "train"),
    f"{_REGISTRATION}preprocessor_sha256": ("models/preprocessor/preprocessor.json", "scale"),
}
_SHA256 = "layerline.sha256."


@dataclass(frozen=True)
class Wanted:
    """What to look for: hex prefixes, any of which matches."""

    text: str
    beginnings: tuple[str, ...]

    def is_met_by(self, digest: str) -> bool:
        return digest.lower().startswith(self.beginnings)

    def may_be(self, digest: str) -> bool:
        """Whether a digest that was shortened is the beginning of what is looked for."""
        is_long = len(digest) >= min(_LENGTHS)
        return is_long and any(whole.startswith(digest) for whole in self.beginnings)


@dataclass(frozen=True)
class Carried:
    """A hash that a run carries: of which path, for which stage, as its dep or its out."""

    path: str
    digest: str
    stage: str
    is_out: bool


def wanted(text: str) -> Wanted:
    """Understand a hash, the beginning of one, or the path of a file or folder.

    Raises:
        RequestError: it is none of these.
    """
    path = Path(text)
    if path.is_file():
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        sha256 = sha256_of(path)
        return Wanted(f"{text}: md5 {md5}, sha256 {sha256}", (md5, sha256))
    if path.is_dir():
        md5 = dvc_md5(path)
        return Wanted(f"{text}/: md5 {md5}", (md5,))
    hexadecimal = text.strip().lower().removesuffix(".dir")
    if not re.fullmatch(r"[0-9a-f]+", hexadecimal) or len(hexadecimal) > max(_LENGTHS):
        raise RequestError(
            f"--find {text}: there is no such file, and it is not a hexadecimal md5 or sha256"
        )
    if len(hexadecimal) < MIN_PREFIX:
        raise RequestError(
            f"--find {text}: {len(hexadecimal)} characters match too many files; "
            f"give at least {MIN_PREFIX} of the hash"
        )
    return Wanted(f"hash {hexadecimal}", (hexadecimal,))


def carried(run: Run) -> Iterator[Carried]:
    """Every hash in a run's tags."""
    for stage in STAGES:
        for kind in KINDS:
            hashes = recorded(run.tags, stage, kind)
            for path, md5 in hashes.md5.items() if hashes is not None else ():
                yield Carried(path, md5, stage, is_out=kind == "outs")
    for tag, value in run.tags.items():
        if tag in NAMED:
            yield Carried(NAMED[tag][0], value, NAMED[tag][1], is_out=True)
        elif tag.startswith(f"{_SHA256}raw."):
            name = tag.removeprefix(f"{_SHA256}raw.")
            yield Carried(f"data/raw/{name}", value, "fetch", is_out=True)
        elif tag.startswith(_SHA256):
            name = tag.removeprefix(_SHA256)
            yield Carried(f"data/scaled/{name}.npy", value, "scale", is_out=True)


class Folders:
    """What is in the folders that DVC hashed as one, read from its cache as it is needed."""

    def __init__(self, root: Path) -> None:
        self.files = cache(partial(cached_folder, root))
