"""Whether the registry still has the model that reports/registration.json describes."""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from layerline.artifacts import Workspace, read_json_as
from layerline.config import Params
from layerline.runs.open_store import open_store
from layerline.runs.resolve import registered
from layerline.tracking.database import sqlite_path
from layerline.tracking.store import store_uri

NETWORK_TAG = "layerline.network_sha256"


class Registry(NamedTuple):
    """What the registry has of a project: version -> sha256 of its network, and the aliases."""

    networks: Mapping[str, str]
    aliases: Mapping[str, str]


def alias_version(workspace: Workspace, params: Params) -> int | None:
    """The version that holds the alias of params.yaml (`champion`); None when none does.

    Raises:
        TrackingError: the store is unavailable, or was lost.
    """
    number = _look(workspace.home, params.project).aliases.get(params.register.alias)
    return None if number is None else int(number)


def registry_problem(workspace: Workspace, params: Params) -> str | None:
    """What the registry lacks, as one line; None when it has the version and a champion.

    DVC cannot notice: all its stages are up to date. Registering the model again repairs it.

    Raises:
        TrackingError: the store is unavailable, or was lost.
    """
    report = workspace.reports / "registration.json"
    if not report.exists():
        return None
    number, network = read_json_as(report, lambda v: (str(v["version"]), str(v["network_sha256"])))
    project, alias = params.project, params.register.alias
    found = _look(workspace.home, project)
    if found.networks.get(number) != network:
        return f"the registry has no version {number} of {project} with the network in models/"
    if alias not in found.aliases:
        return f"no version of {project} holds the alias {alias!r}"
    return None


def _look(home: Path, project: str) -> Registry:
    database = sqlite_path(store_uri(home))
    if database is not None:
        with contextlib.suppress(sqlite3.DatabaseError):  # tables of another MLflow, perhaps
            return _read_database(database, project)
    with open_store(home, f"looking for versions of {project}") as client:
        versions = client.search_model_versions(f"name = '{project}'")
        networks = {str(one.version): str(one.tags.get(NETWORK_TAG)) for one in versions}
        return Registry(networks, registered(client, project).aliases)


def _read_database(database: Path, project: str) -> Registry:
    """By SQL: importing MLflow for this would double the time of `layerline results`."""
    uri = f"{database.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=20)) as connection:
        networks = connection.execute(
            "SELECT v.version, t.value FROM model_versions v JOIN model_version_tags t"
            " ON t.name = v.name AND t.version = v.version AND t.key = ?"
            " WHERE v.name = ? AND v.current_stage != 'Deleted_Internal'",
            [NETWORK_TAG, project],
        ).fetchall()
        aliases = connection.execute(
            "SELECT alias, version FROM registered_model_aliases WHERE name = ?", [project]
        ).fetchall()
    return Registry(
        {str(number): str(sha256) for number, sha256 in networks},
        {str(alias): str(number) for alias, number in aliases},
    )
