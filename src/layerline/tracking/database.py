"""The checkout's own sqlite database: created from a template, never migrated silently, movable.

Several processes that open an empty database crash in MLflow's migration, which takes seconds: the
package ships the empty store as SQL. All of this is called under the store's lock.
"""

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from urllib.parse import unquote

from layerline.errors import TrackingError
from layerline.tracking.mlflow_import import import_mlflow_quietly

_MISREAD = re.compile(r"%[0-9A-Fa-f]{2}|\?")
ARTIFACTS = "mlartifacts"
TEMPLATE = "mlflow_store.sql"
# Columns that hold absolute artifact paths, for a checkout that was moved or copied.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def make_database(database: Path) -> None:
    """Make an empty store under a temporary name and rename it; the caller holds a lock."""
    database.parent.mkdir(parents=True, exist_ok=True)
    temporary = database.with_name(f".{database.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        _fill(temporary)
        _set_default_location(temporary, database.parent / ARTIFACTS)
        os.replace(temporary, database)
    finally:
        temporary.unlink(missing_ok=True)


def _fill(database: Path) -> None:
    """From the template when it is of the installed MLflow, else by MLflow's own migration."""
    template = _template()
    if template.partition("\n")[0] == template_header():
        with _connect(database) as connection:
            connection.executescript(template)
    else:
        migrate(database)


def template_header() -> str:
    """The first line of a template made by the installed MLflow."""
    return f"-- An empty store of mlflow {metadata.version('mlflow')}"


def migrate(database: Path) -> None:
    """Make an empty database the way MLflow does, in seconds."""
    import_mlflow_quietly()
    from mlflow import MlflowClient

    MlflowClient(sqlite_uri(database)).search_experiments()


def sqlite_uri(database: Path) -> str:
    """The URI of a sqlite file.

    Raises:
        TrackingError: SQLAlchemy and MLflow unquote a part of its path, each in another way.
    """
    if found := _MISREAD.search(str(database)):
        raise TrackingError(
            f"{database}: MLflow cannot keep its store in a folder with {found[0]!r} in its path; "
            "rename the folder, or set MLFLOW_TRACKING_URI to a store elsewhere"
        )
    return f"sqlite:///{database}"


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite store; None for any other."""
    scheme, _, rest = uri.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not rest or rest.startswith(":memory:"):
        return None
    return Path(unquote(rest.partition("?")[0]))


@contextlib.contextmanager
def _connect(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        yield connection


def _set_default_location(database: Path, artifacts: Path) -> None:
    now = round(time.time() * 1000)
    with _connect(database) as connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ?"
            " WHERE experiment_id = 0",
            [f"{artifacts}/0", now, now],
        )


def refuse_other_schema(database: Path) -> None:
    """Leave a database of another MLflow alone.

    MLflow migrates an older one without asking, and the older MLflow then refuses it for ever.
    """
    rows: list[tuple[str]] = []
    with contextlib.suppress(sqlite3.DatabaseError), _connect(database) as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    ours = _template_revision()
    if rows and ours and rows[0][0] != ours:
        raise TrackingError(
            f"{database}: has the tables of another MLflow (schema {rows[0][0]}; "
            f"{metadata.version('mlflow')} uses {ours}); if it is older: keep a copy, then run "
            f"`mlflow db upgrade sqlite:///{database}`; if it is newer: install that MLflow; "
            "what was recorded is kept, and `layerline flush` sends it"
        )


def _template_revision() -> str | None:
    """The schema's revision in the template; None when the template is of another MLflow."""
    template = _template()
    found = re.search(r"INSERT INTO \"?alembic_version\"? VALUES\('(\w+)'\)", template)
    is_ours = template.partition("\n")[0] == template_header()
    return found.group(1) if found and is_ours else None


def _template() -> str:
    return resources.files("layerline.tracking").joinpath(TEMPLATE).read_text(encoding="utf-8")


def follow_moved_checkout(database: Path) -> None:
    """Update recorded artifact paths after a move; MLflow only stores absolute ones."""
    today = str(database.parent / ARTIFACTS)
    # Whatever is wrong with the database, MLflow reports it better than we could.
    with contextlib.suppress(sqlite3.DatabaseError), _connect(database) as connection:
        row = connection.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
        ).fetchone()
        recorded = str(row[0]).removesuffix("/0") if row else today
        # A store that MLflow itself made keeps its own places.
        if recorded == today or Path(recorded).name != ARTIFACTS:
            return
        for table, column in _LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608
                f" WHERE substr({column}, 1, ?) = ?",
                [today, len(recorded) + 1, len(recorded) + 1, f"{recorded}/"],
            )
