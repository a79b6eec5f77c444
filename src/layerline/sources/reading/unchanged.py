"""A file must not change while it is read."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layerline.artifacts import sha256_of
from layerline.errors import LayerlineError, SourceError
from layerline.text import first_line


class Unchanged:
    """Remembers a file as it is now: its inode, size, time and sha256."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stat = _facts(path)
        self.sha256 = sha256_of(path)

    def check(self) -> dict[str, Any]:
        """The file's path, size and sha256.

        Raises:
            SourceError: it was changed or replaced meanwhile.
        """
        with reporting_unreadable(self._path):
            if _facts(self._path) != self._stat or sha256_of(self._path) != self.sha256:
                raise SourceError(
                    f"{self._path}: was changed while it was read; run again when it is complete"
                )
        return {"path": str(self._path), "bytes": self._stat[0], "sha256": self.sha256}


def _facts(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


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
