"""Where MLflow's store is, and its creation, once, under a lock.

MLFLOW_TRACKING_URI names the store; without it, it is `mlflow.db` and `mlartifacts/` in the main
checkout. MLflow is imported inside functions only: it costs over a second, and its settings are
read from the environment.
"""

import atexit
import contextlib
import os
import re
import socket
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from filelock import FileLock

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import TrackingError
from layerline.tracking.database import (
    ARTIFACTS,
    follow_moved_checkout,
    make_database,
    refuse_other_schema,
    sqlite_path,
    sqlite_uri,
)
from layerline.tracking.mlflow_import import import_mlflow_quietly
from layerline.tracking.run_list import EXPERIMENT_TAGS
from layerline.tracking.store_history import (
    DEFAULT,
    accept_new_store,
    is_missing,
    record_runs,
    require_no_loss,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONNECT_SECONDS = 2.0
_DATABASES = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_PORTS = {"http": 80, "https": 443, **_DATABASES}


def tracking_uri(home: Path) -> str:
    """The store's URI; a relative sqlite path is relative to `home`, not to the current folder.

    DVC runs queued experiments in temporary folders: a path relative to those would lose the runs.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DEFAULT}"
    path = sqlite_path(uri)
    return uri if path is None else sqlite_uri((home / path).absolute())


def open_client(home: Path, *, create: bool = False) -> "MlflowClient":
    """Return a client of the store.

    Args:
        home: the main checkout.
        create: create the checkout's database if there is none; only who sends runs asks for it.
            Without it, a checkout that never had a store is read as an empty one.

    Raises:
        TrackingError: the server does not answer, within seconds; or the database was lost.
    """
    return client_of(home, store_uri(home, create=create))


def client_of(home: Path, uri: str) -> "MlflowClient":
    """A client of a URI that `store_uri` returned."""
    import_mlflow_quietly()
    from mlflow import MlflowClient

    # An empty database gets its tables here: several processes at once break MLflow's migration.
    with store_lock(home) if _is_shared_database(uri) else contextlib.nullcontext():
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def store_uri(home: Path, *, create: bool = False) -> str:
    """The URI of a store that exists: `tracking_uri`, or an empty one in a temporary folder.

    Raises:
        TrackingError: as `open_client`.
    """
    uri = tracking_uri(home)
    check_reachable(uri)
    database = sqlite_path(uri)
    if database is None:
        return uri
    if create:
        ensure_store(home)
        return uri
    return uri if _has_store(home, database) else _empty_store()


@cache
def _empty_store() -> str:
    """A store without runs for this process, elsewhere: reading must not create the real one."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    database = stack.enter_context(temporary_folder()) / DEFAULT
    make_database(database)
    return sqlite_uri(database)


def check_reachable(uri: str) -> None:
    """Open and close a connection to the store's host; local stores pass.

    Raises:
        TrackingError: the host does not answer, or the URI cannot be read.
    """
    parts = urlsplit(uri)
    try:
        port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    except ValueError:  # its message would show a part of the password
        raise TrackingError(
            "MLFLOW_TRACKING_URI cannot be read: its port is not a number; in a "
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


def _has_store(home: Path, database: Path) -> bool:
    """Whether there is a database to read; one that vanishes meanwhile is not made again."""
    require_no_loss(home, database)
    if is_missing(database):
        return False
    with store_lock(home):
        refuse_other_schema(database)
        follow_moved_checkout(database)
    return True


def ensure_store(home: Path) -> None:
    """Create the sqlite database if there is none; do nothing for any other store.

    Several processes that open an empty database crash in MLflow's migration: it is made under a
    temporary name, under a lock, and renamed.

    Raises:
        TrackingError: another version of MLflow made it, or it lost its runs.
    """
    database = sqlite_path(tracking_uri(home))
    if database is None:
        return
    with store_lock(home):
        require_no_loss(home, database)
        if is_missing(database):
            make_database(database)
        refuse_other_schema(database)
        follow_moved_checkout(database)


def record_store(home: Path) -> None:
    """Record that the store has runs: from now on an empty one is a lost one."""
    database = sqlite_path(tracking_uri(home))
    if database is not None:
        record_runs(home, database)


def accept_loss(home: Path) -> None:
    """Let the next flush start a new database where the old one was lost."""
    database = sqlite_path(tracking_uri(home))
    if database is not None:
        accept_new_store(home, database)


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
    for tag in EXPERIMENT_TAGS.keys() - experiment.tags.keys():  # an earlier release made it
        client.set_experiment_tag(experiment.experiment_id, tag, EXPERIMENT_TAGS[tag])
    return str(experiment.experiment_id)


def _artifact_location(home: Path, name: str) -> str | None:
    uri = tracking_uri(home)
    database = sqlite_path(uri)
    if database is None and not _is_shared_database(uri):
        return None  # the server decides
    # A database keeps no files. MLflow's own choice would be a folder where the process stands,
    # which under `dvc exp run --temp` is removed.
    parent = home.absolute() if database is None else database.parent
    return str(parent / ARTIFACTS / re.sub(r"[^\w.-]", "_", name))


def store_lock(home: Path) -> FileLock:
    """The lock under which this checkout makes the database, experiments and runs.

    It is held for moments, and is not reentrant.
    """
    path = home / ".layerline" / "locks" / "store.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout=60)


def _is_shared_database(uri: str) -> bool:
    """Whether the URI names a database server that is used directly."""
    return uri.partition(":")[0].partition("+")[0] in _DATABASES
