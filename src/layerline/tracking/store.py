"""Where MLflow's store is, and its creation, once, under a lock.

MLFLOW_TRACKING_URI names the store; without it, it is `mlflow.db` and `mlartifacts/` in the main
checkout. MLflow is imported inside functions only: it costs over a second, and its settings are
read from the environment.
"""

import contextlib
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from filelock import FileLock

from layerline.errors import TrackingError
from layerline.tracking.database import (
    ARTIFACTS,
    follow_moved_checkout,
    make_database,
    refuse_other_schema,
)
from layerline.tracking.mlflow_import import import_mlflow_quietly

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONNECT_SECONDS = 2.0
_DATABASES = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_PORTS = {"http": 80, "https": 443, **_DATABASES}


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

    # An empty database gets its tables here: several processes at once break MLflow's migration.
    with store_lock(home) if _is_shared_database(uri) else contextlib.nullcontext():
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def check_reachable(uri: str) -> None:
    """Open and close a connection to the store's host; local stores pass.

    Raises:
        TrackingError: nobody answers, or the URI cannot be read.
    """
    parts = urlsplit(uri)
    try:
        port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    except ValueError:  # its message would show a part of the password
        raise TrackingError(
            "MLFLOW_TRACKING_URI cannot be read: what should be its port is no number; in a "
            "password write %2F for '/', %40 for '@', %3A for ':', %23 for '#'"
        ) from None
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

    Raises:
        TrackingError: another version of MLflow made it.
    """
    database = _sqlite_path(tracking_uri(home))
    if database is None:
        return
    with store_lock(home):
        if not database.exists():
            make_database(database)
        refuse_other_schema(database)
        follow_moved_checkout(database)


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
    uri = tracking_uri(home)
    database = _sqlite_path(uri)
    if database is None and not _is_shared_database(uri):
        return None  # the server decides
    # A database keeps no files. MLflow's own choice would be a folder where the process stands,
    # which under `dvc exp run --temp` is removed.
    parent = home.absolute() if database is None else database.parent
    return str(parent / ARTIFACTS / re.sub(r"[^\w.-]", "_", name))


def store_lock(home: Path) -> FileLock:
    """The lock under which this checkout makes the database, experiments and runs.

    It is held for moments, and not to be taken by who holds it.
    """
    path = home / ".layerline" / "locks" / "store.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout=60)


def _is_shared_database(uri: str) -> bool:
    """Whether the URI names a database server, to be spoken to directly."""
    return uri.partition(":")[0].partition("+")[0] in _DATABASES


def _sqlite_path(uri: str) -> Path | None:
    scheme, _, rest = uri.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not rest or rest.startswith(":memory:"):
        return None
    return Path(rest.partition("?")[0])
