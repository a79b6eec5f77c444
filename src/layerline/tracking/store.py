"""Where MLflow's store is, and its creation, once, under a lock.

MLFLOW_TRACKING_URI names the store; without it, it is `mlflow.db` and `mlartifacts/` in the main
checkout. MLflow is imported inside functions only: it costs over a second, and its settings are
read from the environment.
"""

import contextlib
import logging
import os
import re
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from filelock import FileLock

from layerline.errors import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

ARTIFACTS = "mlartifacts"
TEMPLATE = "mlflow_store.sql"
CONNECT_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
# Columns that hold absolute artifact paths, for a checkout that was moved or copied.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def tracking_uri(home: Path) -> str:
    """The store's URI; a relative sqlite path is taken from `home`, not from where one stands.

    DVC runs queued experiments in temporary folders: a path relative to those would lose the runs.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    path = _sqlite_path(uri)
    return uri if path is None else f"sqlite:///{(home / path).absolute()}"


def open_client(home: Path) -> "MlflowClient":
    """Return a client of the store, which is created if it has to be.

    Raises:
        TrackingError: the server does not answer, within seconds.
    """
    uri = tracking_uri(home)
    check_reachable(uri)
    import_mlflow_quietly()
    ensure_store(home)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def import_mlflow_quietly() -> None:
    """Import MLflow without telemetry, chatter, or minutes of retries on a dead server."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # The flusher tries again by itself. A request that MLflow sends twice may also act twice:
    # two runs instead of one.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    import mlflow  # noqa: F401

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    # It prints a traceback for a locked database; we get the exception and try again.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def check_reachable(uri: str) -> None:
    """Open and close a connection to the store's host; local stores pass.

    Raises:
        TrackingError: nobody answers.
    """
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if not parts.hostname or port is None or _has_proxy(parts.scheme, parts.hostname):
        return
    try:
        socket.create_connection((parts.hostname, port), CONNECT_SECONDS).close()
    except OSError as error:
        raise TrackingError(
            f"MLflow's store at {parts.scheme}://{parts.hostname}:{port} does not answer "
            f"({error}); start it, or unset MLFLOW_TRACKING_URI to use this checkout's own; "
            "what was recorded is kept, and `layerline flush` sends it"
        ) from None


def _has_proxy(scheme: str, host: str) -> bool:
    return scheme in getproxies() and not proxy_bypass(host)


def ensure_store(home: Path) -> None:
    """Create the sqlite database if there is none; do nothing for any other store.

    Several processes that open an empty database crash in MLflow's migration: it is made under a
    temporary name, under a lock, and renamed.
    """
    database = _sqlite_path(tracking_uri(home))
    if database is None:
        return
    with store_lock(home):
        if not database.exists():
            database.parent.mkdir(parents=True, exist_ok=True)
            temporary = database.with_name(f".{database.name}.{os.getpid()}.tmp")
            temporary.unlink(missing_ok=True)
            try:
                _fill(temporary)
                _set_default_location(temporary, database.parent / ARTIFACTS)
                os.replace(temporary, database)
            finally:
                temporary.unlink(missing_ok=True)
        _follow_moved_checkout(database)


# Opens the experiment in the UI's view of trainings; the default view is for language models.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


def ensure_experiments(home: Path, client: "MlflowClient", names: Iterable[str]) -> dict[str, str]:
    """Return the id of each experiment, made or, when it was deleted, restored."""
    with store_lock(home):
        return {name: _ensure_experiment(home, client, name) for name in names}


def _ensure_experiment(home: Path, client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            location = _artifact_location(home, name)
            return str(client.create_experiment(name, location, EXPERIMENT_TAGS))
        except MlflowException as error:  # another machine was faster, on a shared server
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _artifact_location(home: Path, name: str) -> str | None:
    database = _sqlite_path(tracking_uri(home))
    if database is None:
        return None  # the server decides
    return str(database.parent / ARTIFACTS / re.sub(r"[^\w.-]", "_", name))


def store_lock(home: Path) -> FileLock:
    """The lock under which this checkout makes the database, experiments and runs.

    It is held for moments, and not to be taken by who holds it.
    """
    path = home / ".layerline" / "locks" / "store.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout=60)


def _sqlite_path(uri: str) -> Path | None:
    scheme, _, rest = uri.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not rest or rest.startswith(":memory:"):
        return None
    return Path(rest.partition("?")[0])


def _fill(database: Path) -> None:
    """From the template when it is of the installed MLflow, else by MLflow's own migration."""
    template = resources.files("layerline.tracking").joinpath(TEMPLATE).read_text(encoding="utf-8")
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

    MlflowClient(f"sqlite:///{database}").search_experiments()


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


def _follow_moved_checkout(database: Path) -> None:
    """Make recorded artifact paths those of today; MLflow only stores absolute ones."""
    today = str(database.parent / ARTIFACTS)
    # Whatever is odd about the database, MLflow says it better than we could.
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
