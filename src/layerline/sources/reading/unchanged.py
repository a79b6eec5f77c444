"""A file must be the same when its last row was read as when its first was."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layerline.artifacts import sha256_of
from layerline.errors import LayerlineError, SourceError
from layerline.text import first_line


class Untouched:
    """Remembers a file as it is now: its place on disk, size, times and sha256."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stat = _facts(path)
        self.sha256 = sha256_of(path)

    def check(self) -> dict[str, Any]:
        """The file's path, size and sha256.

        Raises:
            SourceError: it was changed or replaced since.
        """
        with saying_unreadable(self._path):
            if _facts(self._path) != self._stat or sha256_of(self._path) != self.sha256:
                raise SourceError(
                    f"{self._path}: was changed while it was read; run again when it is complete"
                )
        return {"path": str(self._path), "bytes": self._stat[0], "sha256": self.sha256}


def _facts(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


@contextlib.contextmanager
def saying_unreadable(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a file into one message."""
    try:
        yield
    except LayerlineError:
        raise
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise SourceError(f"{path}: cannot be read ({reason})") from None
