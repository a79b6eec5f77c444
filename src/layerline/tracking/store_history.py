"""Whether this checkout has had a store before: one that vanished is not taken for a new one.

A champion of a lost store would be replaced by whatever is trained next, without a comparison. So
`.layerline/stores.json` records each database that runs were sent to, and an empty database is
refused when that record, artifacts or reports/registration.json show that there was another.
"""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from layerline.artifacts import Workspace, write_json
from layerline.errors import TrackingError
from layerline.tracking.database import ARTIFACTS

_HAS_RUNS, _ACCEPTED = "has runs", "accepted as new"
DEFAULT = "mlflow.db"


class LostStoreError(TrackingError):
    """The database that held this checkout's runs is missing or empty."""


def is_missing(database: Path) -> bool:
    """Whether there is no database; an empty file is none."""
    return not database.exists() or not database.stat().st_size


def require_no_loss(home: Path, database: Path) -> None:
    """Refuse a database without runs where there were runs before.

    Raises:
        LostStoreError: with the evidence and the remedy.
    """
    if _has_runs(database):
        return
    evidence = _evidence(home, database)
    if evidence is None:
        return
    state = "missing" if is_missing(database) else "without a single run"
    raise LostStoreError(
        f"{database}: {state}, though {evidence}: restore it from a backup, or set "
        "MLFLOW_TRACKING_URI if your runs are in another store; to start over with a new store and "
        "register the model in models/ there, run `layerline register --new-store`; nothing was "
        "changed, and what was recorded is kept"
    )


def _evidence(home: Path, database: Path) -> str | None:
    recorded = _read(home).get(_name(home, database))
    if recorded == _ACCEPTED:
        return None
    if recorded == _HAS_RUNS:
        return "runs were sent to it before"
    if database != home.absolute() / DEFAULT:
        return None  # another store, chosen by the user: artifacts here may be of the default one
    artifacts = database.parent / ARTIFACTS
    if artifacts.is_dir() and any(artifacts.iterdir()):
        return f"{artifacts} holds artifacts of its runs"
    registration = Workspace(home).reports / "registration.json"
    if registration.exists():
        return f"{registration} describes a registered version"
    return None


def record_runs(home: Path, database: Path) -> None:
    """Record that the database has runs."""
    _record(home, database, _HAS_RUNS)


def accept_new_store(home: Path, database: Path) -> None:
    """Let the next flush start a new store where one was lost."""
    if not _has_runs(database):
        _record(home, database, _ACCEPTED)


def _record(home: Path, database: Path, state: str) -> None:
    known, name = _read(home), _name(home, database)
    if known.get(name) != state:
        with contextlib.suppress(OSError):  # a full disk; recorded the next time
            write_json(_path(home), {**known, name: state})


def _read(home: Path) -> dict[str, Any]:
    try:
        known = json.loads(_path(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _path(home: Path) -> Path:
    return home / ".layerline" / "stores.json"


def _name(home: Path, database: Path) -> str:
    """Relative where it is in the checkout, which may be moved."""
    home = home.absolute()
    return str(database.relative_to(home) if database.is_relative_to(home) else database)


def _has_runs(database: Path) -> bool:
    if is_missing(database):
        return False
    # Read-only: opening must not create or repair anything. What is odd, MLflow reports.
    uri = f"{database.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=20)) as connection:
            return connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True
