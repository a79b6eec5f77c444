"""Where a study's trials are kept: a journal file of the project, or a database for many machines.

The journal's lock is the kernel's, so a killed worker holds up nobody, and what it was writing is
cut off; a power cut costs a second. A database has heartbeats: trials of a machine that fell
silent are given up.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import Workspace
from layerline.errors import ParamsError, Problem, TrackingError
from layerline.masking import masked
from layerline.text import first_line

if TYPE_CHECKING:
    import optuna

STORAGE = "LAYERLINE_STUDY_STORAGE"
HEARTBEAT_SECONDS, SILENT_SECONDS = 5, 30
SYNC_SECONDS = 1.0


def study_folder(workspace: Workspace, name: str) -> Path:
    """What the trials of a study share: its journal, and their temporary folders."""
    return workspace.home / ".layerline" / "studies" / name


def storage_of(folder: Path, url: str | None) -> "optuna.storages.BaseStorage":
    """The storage of a study.

    Args:
        folder: the study's own, for its journal.
        url: of a database, as SQLAlchemy reads it, or grpc://HOST:PORT of an Optuna proxy; None:
            the environment's LAYERLINE_STUDY_STORAGE, or the journal.

    Raises:
        TrackingError: the database cannot be reached.
        ParamsError: the URL is of no known kind.
    """
    import optuna

    # It warns of each trial that fails, with a traceback; a trial's own line has the reason.
    is_debugged = os.environ.get("LAYERLINE_DEBUG") == "1"
    optuna.logging.set_verbosity(optuna.logging.WARNING if is_debugged else optuna.logging.ERROR)
    url = url or os.environ.get(STORAGE)
    if not url:
        return _journal(folder)
    with _reaching(url), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if url.startswith("grpc://"):
            host, _, port = url.removeprefix("grpc://").partition(":")
            return optuna.storages.GrpcStorageProxy(host=host, port=int(port or 13000))
        return optuna.storages.RDBStorage(
            _with_driver(url),
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=SILENT_SECONDS,
        )


def _journal(folder: Path) -> "optuna.storages.BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class LockedFile(JournalFileBackend):
        """Optuna's syncs each epoch's value to the disk, while other workers wait for its lock."""

        _synced = -math.inf

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
            with _locked(path) as file:
                _append("".join(lines).encode(), file)
                if time.monotonic() - self._synced >= SYNC_SECONDS:
                    os.fsync(file)
                    self._synced = time.monotonic()

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trials.journal"
    with _locked(path) as file:
        _cut_torn_line(path, file)
    return JournalStorage(LockedFile(str(path)))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A descriptor that appends to the file, which nobody else has meanwhile."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _append(lines: bytes, file: int) -> None:
    """Write all of it or nothing: the next line would be joined to one that was cut short.

    Raises:
        OSError: the disk is full, or fails.
    """
    n_bytes = os.fstat(file).st_size
    try:
        if os.write(file, lines) != len(lines):
            raise OSError(errno.ENOSPC, "disk full: a line was cut short")
    except OSError:
        os.ftruncate(file, n_bytes)
        raise


def _cut_torn_line(path: Path, file: int) -> None:
    """Remove what a killed process had begun to write."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(file, whole)


def _with_driver(url: str) -> str:
    """A PostgreSQL URL names its driver: SQLAlchemy's own default is not installed."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return f"postgresql+psycopg://{url.removeprefix(prefix)}"
    return url


@contextlib.contextmanager
def _reaching(url: str) -> Iterator[None]:
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        message = f"{masked(url)}: not a storage ({first_line(error)}); use postgresql://... "
        raise ParamsError(
            [Problem("--storage", f"{message}or grpc://HOST:PORT")], "study"
        ) from None
    except (SQLAlchemyError, OSError, ImportError) as error:
        message = f"{masked(url)}: the study's storage cannot be reached: "
        raise TrackingError(f"{message}{masked(first_line(error))}") from None


def storage_failures() -> tuple[type[Exception], ...]:
    """What a storage raises that is away, or that gave this worker's trial to another one."""
    from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
    from sqlalchemy.exc import SQLAlchemyError

    return (StorageInternalError, SQLAlchemyError, UpdateFinishedTrialError)
