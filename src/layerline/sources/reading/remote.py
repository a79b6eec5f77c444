"""Files behind http(s):// and s3://, copied to this machine once, through fsspec.

A copy lies in .layerline/downloads/<hash of the URL>/. It is written beside its place and renamed
when it is complete and its sha256 is the one asked for. What was cut off goes on where it stopped,
when the server still has the same file. Credentials come from the environment alone: a .netrc file
(at NETRC, or in the home folder) for http(s), the AWS_* variables for s3. To add a protocol: a line
in _OPENERS.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from layerline.artifacts import sha256_of, write_json
from layerline.errors import LayerlineError, ParamsError, Problem, SourceError
from layerline.text import first_line

ABOUT = "about.json"
_BLOCK = 1 << 22  # bytes asked for at once
_WAITS_SECONDS = (0.2, 1.0)  # before each further try
_CONNECT_SECONDS, _SILENCE_SECONDS = 30.0, 120.0
_WHERE = "fetch.options.path"


class _Remote(NamedTuple):
    """What the server says of a file: with the same three it is the same file."""

    size: int | None
    tag: str | None
    modified: str | None

    @property
    def is_known(self) -> bool:
        return self.size is not None and (self.tag or self.modified) is not None


def is_remote(path: str) -> bool:
    """Whether the path names a file of another machine."""
    return "://" in path


def downloads() -> Path:
    """Where copies are kept: in the main checkout, also for experiments in temporary ones."""
    return Path(os.environ.get("DVC_ROOT") or "") / ".layerline" / "downloads"


def download(url: str, sha256: str | None = None) -> Path:
    """A complete copy of the file on this machine.

    Args:
        url: of one file.
        sha256: what the copy must have; an earlier copy that has it spares the network.

    Raises:
        SourceError: the server, the file or the rest of its body is missing, or the sha256 differs.
        ParamsError: no such protocol.
    """
    from filelock import FileLock  # here: predictions read files too, and need no lock

    name = unquote(PurePosixPath(urlsplit(url).path).name) or "index"
    folder = downloads() / hashlib.sha256(url.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / name
    with FileLock(folder / ".lock"):
        if sha256 and copy.is_file() and sha256_of(copy) == sha256.lower():
            return copy
        system, path = _open_system(url)
        remote = _patiently(url, lambda: _ask(system, path))
        if not _is_copy_of(copy, remote):
            _patiently(url, lambda: _transfer(system, path, url, copy, sha256))
        elif sha256:
            require_sha256(url, sha256_of(copy), sha256)
    return copy


def origin_of(copy: Path) -> str | None:
    """The URL that a copy came from."""
    about = copy.with_name(ABOUT)
    if not copy.is_relative_to(downloads()) or not about.is_file():
        return None
    return str(json.loads(about.read_text(encoding="utf-8"))["url"])


@contextlib.contextmanager
def saying(names: Mapping[str, str]) -> Iterator[None]:
    """Let messages name what the user wrote instead of the copy that was read."""
    try:
        yield
    except LayerlineError as error:
        error.args = (renamed(str(error), names),)
        raise


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with each name replaced by what the user calls it."""
    for name, said in names.items():
        text = text.replace(name, said)
    return text


def expand(url: str, kinds: tuple[str, ...]) -> list[str]:
    """The files that a URL names; a pattern or a folder may stand for many in s3."""
    if urlsplit(url).scheme != "s3":
        if "*" in url:
            message = f"{url!r}: a web server lists no files; name each of them"
            raise ParamsError([Problem(_WHERE, message)])
        return [url]
    system, path = _open_system(url)
    if any(sign in path for sign in "*?["):
        found = _patiently(url, lambda: system.glob(path))
    elif path.endswith(kinds):
        return [url]
    else:
        found = _patiently(url, lambda: system.find(path.rstrip("/")))
    files = sorted(f"s3://{file}" for file in found if file.endswith(kinds))
    if not files:
        raise SourceError(f"{url}: holds no file that ends in {', '.join(kinds)}")
    return files


def _open_system(url: str) -> tuple[Any, str]:
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _OPENERS:
        message = f"{url!r}: {scheme}:// is not read; use one of {', '.join(_OPENERS)}, or copy it"
        raise ParamsError([Problem(_WHERE, message)])
    return _OPENERS[scheme](url)


def _http(url: str) -> tuple[Any, str]:
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    # aiohttp's own limit is five minutes for a whole file, whatever its size.
    patience = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS
    )
    client = {"trust_env": True, "timeout": patience}  # proxies and .netrc
    headers = {"Accept-Encoding": "identity"}  # else the size is not the file's
    return HTTPFileSystem(client_kwargs=client, headers=headers, skip_instance_cache=True), url


def _s3(url: str) -> tuple[Any, str]:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    system = S3FileSystem(
        endpoint_override=endpoint,
        region=region,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_SILENCE_SECONDS,
    )
    return ArrowFSWrapper(system), url.partition("://")[2]


_OPENERS: Mapping[str, Callable[[str], tuple[Any, str]]] = {
    "http": _http,
    "https": _http,
    "s3": _s3,
}


def _ask(system: Any, path: str) -> _Remote:
    about = system.info(path)
    if about.get("type") == "directory":
        raise FileNotFoundError(path)
    modified = about.get("Last-Modified") or about.get("mtime")
    return _Remote(
        about.get("size"), about.get("ETag"), None if modified is None else str(modified)
    )


def _is_copy_of(copy: Path, remote: _Remote) -> bool:
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
    """Fill the part, beginning where an earlier one stopped, and make it the copy."""
    part, part_about = copy.with_name(f"{copy.name}.part"), copy.with_name("part.json")
    remote = _ask(system, path)
    goes_on = remote.is_known and _read_about(part_about).get("remote") == list(remote)
    if not goes_on:
        part.unlink(missing_ok=True)
        write_json(part_about, {"remote": list(remote)})
    _fill(system, path, part, remote.size)
    size = part.stat().st_size
    if remote.size is not None and size != remote.size:
        if size > remote.size:
            part.unlink()
        raise OSError(f"{size} of {remote.size} bytes came")
    if _ask(system, path) != remote:
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
        raise OSError("the server cannot go on in the middle of the file") from None


def require_sha256(name: str, found: str, wanted: str) -> None:
    """Refuse a file with another sha256 than the user's.

    Raises:
        SourceError: they differ.
    """
    if found != wanted.lower():
        raise SourceError(
            f"{name}: its sha256 is {found}, fetch.options.sha256 says {wanted}; the file was "
            "changed or damaged: find out why, then set the option to that of the file you mean"
        )


def _patiently(url: str, act: Callable[[], Any]) -> Any:
    """Try again what may pass; say in one message what does not."""
    for wait in (*_WAITS_SECONDS, None):
        try:
            return act()
        except LayerlineError:
            raise
        except Exception as error:  # each library below has its own kinds
            reason, may_pass = _reason(error)
            if wait is None or not may_pass:
                raise SourceError(f"{url}: cannot be read ({reason})") from None
            time.sleep(wait)
    raise AssertionError("the last try either returns or raises")


def _reason(error: BaseException) -> tuple[str, bool]:
    """Why it failed, and whether trying again may help."""
    cause: BaseException | None = error
    while cause is not None:
        status = getattr(cause, "status", None)
        if isinstance(status, int):
            hint = {
                401: "; credentials for this host belong into a .netrc file",
                403: "; credentials for this host belong into a .netrc file",
                404: "; there is no such file",
            }.get(status, "")
            return (
                f"the server answered {status} {getattr(cause, 'message', '')}{hint}",
                status >= 500,
            )
        cause = cause.__cause__
    if isinstance(error, FileNotFoundError) and error.__cause__ is None:
        return "there is no such file", False
    text = first_line(error.__cause__ or error)
    return text[:300], "ACCESS_DENIED" not in text
