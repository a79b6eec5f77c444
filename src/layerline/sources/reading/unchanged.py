"""A file must not change while it is read."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layerline.artifacts import sha256_of
from layerline.errors import LayerlineError, SourceError
from layerline.text import first_line

_SETTLED_NS = 3 * 10**9  # the clocks of some file systems tick every two seconds


class Unchanged:
    """Remembers a file as it is now: its inode, size and times.

    A change gives it another time, unless it comes within the clock tick of the one before it: a
    file that was changed a moment ago is hashed twice, others once, while they are read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stat = _facts(path)
        is_settled = time.time_ns() - max(self._stat[1:3]) > _SETTLED_NS
        self._first = None if is_settled else sha256_of(path)

    def sha256(self) -> str:
        """The hash of the file, which may be taken while it is read."""
        return self._first or sha256_of(self._path)

    def check(self, sha256: str) -> dict[str, Any]:
        """The file's path, size and `sha256`, once it was read.

        Raises:
            SourceError: it was changed or replaced meanwhile.
        """
        with reporting_unreadable(self._path):
            is_changed = _facts(self._path) != self._stat
            if is_changed or (self._first is not None and sha256_of(self._path) != sha256):
                raise SourceError(
                    f"{self._path}: was changed while it was read; run again when it is complete"
                )
        return {"path": str(self._path), "bytes": self._stat[0], "sha256": sha256}


def _facts(path: Path) -> tuple[int, ...]:
    found = path.stat()
    # The second time is the system's own: nobody can set it back.
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@contextlib.contextmanager
def reporting_unreadable(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one message."""
    try:
        yield
    except LayerlineError:
        raise
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise SourceError(f"{path}: cannot be read ({reason})") from None
