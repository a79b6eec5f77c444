"""Files behind http(s):// and s3://, through fsspec: listed, described, opened.

Credentials come from the environment alone: a .netrc file (at NETRC, or in the home folder) for
http(s), the AWS_* variables for s3. To add a protocol: a line in _OPENERS.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from layerline.errors import LayerlineError, ParamsError, Problem, SourceError
from layerline.text import first_line

_WAITS_SECONDS = (0.2, 1.0)  # before each further attempt
_CONNECT_SECONDS, _SILENCE_SECONDS = 30.0, 120.0
_WHERE = "fetch.options.path"


class RemoteFile(NamedTuple):
    """The server's description of a file: while all three are equal it is the same file."""

    size: int | None
    tag: str | None
    modified: str | None

    @property
    def is_known(self) -> bool:
        return self.size is not None and (self.tag or self.modified) is not None


def is_remote(path: str) -> bool:
    """Whether the path names a file of another machine."""
    return "://" in path


def expand(url: str, kinds: tuple[str, ...]) -> list[str]:
    """The URLs of the files that a URL names; in s3 it may be a pattern or a folder."""
    if urlsplit(url).scheme != "s3":
        if "*" in url:
            message = f"{url!r}: a web server does not list files; name each of them"
            raise ParamsError([Problem(_WHERE, message)])
        return [url]
    system, path = open_system(url)
    if any(sign in path for sign in "*?["):
        found = with_retries(url, lambda: system.glob(path))
    elif path.endswith(kinds):
        return [url]
    else:
        found = with_retries(url, lambda: system.find(path.rstrip("/")))
    files = sorted(f"s3://{file}" for file in found if file.endswith(kinds))
    if not files:
        raise SourceError(f"{url}: has no file that ends in {', '.join(kinds)}")
    return files


def open_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        ParamsError: unknown protocol.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _OPENERS:
        message = f"{url!r}: {scheme}:// is not supported; use {', '.join(_OPENERS)}, or copy it"
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


def describe(system: Any, path: str) -> RemoteFile:
    """What the server says of a file."""
    about = system.info(path)
    if about.get("type") == "directory":
        raise FileNotFoundError(path)
    modified = about.get("Last-Modified") or about.get("mtime")
    return RemoteFile(
        about.get("size"), about.get("ETag"), None if modified is None else str(modified)
    )


def with_retries(url: str, act: Callable[[], Any]) -> Any:
    """Try again what may pass; report in one message what does not.

    Raises:
        SourceError: the last attempt failed, or another one cannot help.
    """
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
    raise AssertionError("the last attempt either returns or raises")


def _reason(error: BaseException) -> tuple[str, bool]:
    """Why it failed, and whether trying again may help."""
    cause: BaseException | None = error
    while cause is not None:
        status = getattr(cause, "status", None)
        if isinstance(status, int):
            hint = {
                401: "; put the credentials for this host into a .netrc file",
                403: "; put the credentials for this host into a .netrc file",
                404: "; no such file",
            }.get(status, "")
            return (
                f"the server answered {status} {getattr(cause, 'message', '')}{hint}",
                status >= 500,
            )
        cause = cause.__cause__
    if isinstance(error, FileNotFoundError) and error.__cause__ is None:
        return "no such file", False
    text = first_line(error.__cause__ or error)
    return text[:300], "ACCESS_DENIED" not in text
