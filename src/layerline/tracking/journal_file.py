"""The file of a journal: created whole, appended to line by line, closed at its end."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

SUFFIX = ".jsonl"
SYNC_SECONDS = 1.0


class JournalFile:
    """Appends lines; the caller lets one thread at a time.

    A line is handed to the kernel as it is written, so kill -9 costs at most the line being
    written; fsync comes at most once a second, so a power cut costs a second. The file is locked
    (flock, shared) for as long as its writer lives.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        # Bytes and appends at once: a signal's exception may come between any two statements.
        self._counted = (0, 0)
        self._synced = time.monotonic()

    def count(self) -> int:
        """How many appends there were, the one included that a signal kept from being counted."""
        n_bytes, n_appends = self._counted
        n_more = os.fstat(self._descriptor).st_size - n_bytes
        if n_more > 0:
            if os.pread(self._descriptor, n_more, n_bytes).endswith(b"\n"):
                self._counted = (n_bytes + n_more, n_appends + 1)
            else:
                os.ftruncate(self._descriptor, n_bytes)
        return self._counted[1]

    def append(self, line: bytes) -> None:
        """Write one line, or a few.

        Raises:
            OSError: the disk is full, or fails; the file ends with a whole line all the same.
        """
        n_appends = self.count()
        n_bytes = self._counted[0]
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError("disk full: a line was cut short")
        except OSError:
            # A cut line in the middle would take the next line with it.
            os.ftruncate(self._descriptor, n_bytes)
            raise
        self._counted = (n_bytes + len(line), n_appends + 1)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def sync(self) -> None:
        """Flush everything written so far to the disk."""
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def close(self) -> None:
        self.sync()
        os.close(self._descriptor)


def create_journal_file(folder: Path, stem: str, first_lines: bytes) -> JournalFile:
    """Create `<stem>.jsonl`, or `<stem>-2.jsonl` and so on, with its first lines in it.

    It gets its name only then: a journal without a start is a damaged one.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
    number = 1
    while True:
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{SUFFIX}"
        temporary = path.with_name(f".{path.name}.tmp")
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(temporary, flags, 0o644)
            # Another process may have used this name and renamed it: so check after taking it.
            if not path.exists():
                break
            os.close(descriptor)
            temporary.unlink()
        number += 1
    with contextlib.suppress(OSError):  # a filesystem without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    file = JournalFile(path, descriptor)
    try:
        file.append(first_lines)
        file.sync()
        os.replace(temporary, path)
    except BaseException:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return file


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine still writes the journal, as far as locks show."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False
