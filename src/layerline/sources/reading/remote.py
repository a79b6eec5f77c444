"""Copies of remote files on this machine, each transferred once.

A copy lies in .layerline/downloads/<hash of the URL>/, under a name that no URL decides. It is
written beside its place and renamed when it is complete and its sha256 is the expected one. An
interrupted transfer resumes where it stopped, if the server still has the same file.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from layerline.artifacts import sha256_of, write_json
from layerline.errors import SourceError
from layerline.sources.reading.remote_systems import (
    RemoteFile,
    describe,
    open_system,
    with_retries,
)

ABOUT = "about.json"
_BLOCK = 1 << 22  # bytes asked for at once
_ENDING = re.compile(r"(?:\.[a-z0-9_]{1,12}){1,2}\Z")


def downloads() -> Path:
    """Where copies are kept: in the main checkout, also for experiments in temporary ones."""
    return Path(os.environ.get("DVC_ROOT") or "") / ".layerline" / "downloads"


def download(url: str, sha256: str | None = None) -> Path:
    """A complete copy of the file, on this machine.

    Args:
        url: of one file.
        sha256: what the copy must have; an earlier copy that has it needs no network.

    Raises:
        SourceError: the server, the file or the rest of its body is missing, or the sha256 differs.
        ParamsError: unknown protocol.
    """
    from filelock import FileLock  # here: predictions read files too, and need no lock

    folder = downloads() / hashlib.sha256(url.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / _local_name(url)
    with FileLock(folder / ".lock"):
        if sha256 and copy.is_file() and sha256_of(copy) == sha256.lower():
            return copy
        system, path = open_system(url)
        remote = with_retries(url, lambda: describe(system, path))
        if not _is_copy_of(copy, remote):
            with_retries(url, lambda: _transfer(system, path, url, copy, sha256))
        elif sha256:
            require_sha256(url, sha256_of(copy), sha256)
    return copy


def _local_name(url: str) -> str:
    """`data` and the ending of the URL's path, from a safe alphabet: never a path, never reserved.

    >>> _local_name("http://host/..%2f..%2fshop.CSV"), _local_name("http://host/about.json")
    ('data.csv', 'data.json')
    """
    ending = _ENDING.search(unquote(urlsplit(url).path).lower())
    return f"data{ending[0] if ending else ''}"


def origin_of(copy: Path) -> str | None:
    """The URL that a copy came from."""
    about = copy.with_name(ABOUT)
    if not copy.is_relative_to(downloads()) or not about.is_file():
        return None
    return str(json.loads(about.read_text(encoding="utf-8"))["url"])


def _is_copy_of(copy: Path, remote: RemoteFile) -> bool:
    about = _read_about(copy.with_name(ABOUT))
    if not copy.is_file() or not remote.is_known or about.get("remote") != list(remote):
        return False
    return bool(sha256_of(copy) == about["sha256"])


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about


def _transfer(system: Any, path: str, url: str, copy: Path, sha256: str | None) -> None:
    """Fill the partial file from where it stopped, and make it the copy."""
    part, part_about = copy.with_name(f"{copy.name}.part"), copy.with_name("part.json")
    remote = describe(system, path)
    resumes = remote.is_known and _read_about(part_about).get("remote") == list(remote)
    if not resumes:
        part.unlink(missing_ok=True)
        write_json(part_about, {"remote": list(remote)})
    _fill(system, path, part, remote.size)
    size = part.stat().st_size
    if remote.size is not None and size != remote.size:
        if size > remote.size:
            part.unlink()
        raise OSError(f"{size} of {remote.size} bytes arrived")
    if describe(system, path) != remote:
        part.unlink()
        raise OSError("the file was replaced while it was read")
    digest = sha256_of(part)
    if sha256 and digest != sha256.lower():
        part.unlink()
        require_sha256(url, digest, sha256)
    os.replace(part, copy)
    part_about.unlink()
    write_json(copy.with_name(ABOUT), {"remote": list(remote), "sha256": digest, "url": url})


def _fill(system: Any, path: str, part: Path, size: int | None) -> None:
    begun = part.stat().st_size if part.is_file() else 0
    if begun and begun == size:
        return
    options = {"block_size": _BLOCK, "cache_type": "none"} if begun else {"block_size": 0}
    try:
        with part.open("ab") as file, system.open(path, "rb", **options) as stream:
            if begun:
                stream.seek(begun)
            while block := stream.read(_BLOCK):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except ValueError:  # the server sends whole files only
        part.unlink()
        raise OSError("the server cannot resume in the middle of the file") from None


def require_sha256(name: str, found: str, wanted: str) -> None:
    """Refuse a file whose sha256 is not the user's.

    Raises:
        SourceError: they differ.
    """
    if found != wanted.lower():
        raise SourceError(
            f"{name}: its sha256 is {found}, but fetch.options.sha256 is {wanted}; the file was "
            "changed or damaged: find out why, then set the option to the right value"
        )
