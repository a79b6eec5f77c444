"""Which version is champion: one alias, moved in one call, after the way back was recorded.

Callers hold `client.registry_lock`; administration.py takes it for people.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from layerline.errors import TrackingError
from layerline.tracking.mlflow_names import plain_tags, stored_tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PREVIOUS = "previous_champion"
CHALLENGER = "challenger"
REIGNS = "layerline.reigns"
SHADOW_SINCE = "layerline.shadow_since"
_KEPT_REIGNS = 20  # a tag holds 5,000 characters

By = Literal["gate", "hand", "rollback", "shadow", "live score"]


def champion_of(client: "MlflowClient", project: str, alias: str) -> "ModelVersion | None":
    """The version that holds the alias, or None.

    Search results carry no aliases in MLflow 3, so the registered model itself is read.
    """
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(project).aliases
        number = aliases.get(alias)
        return None if number is None else client.get_model_version(project, str(number))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def promote(
    client: "MlflowClient", project: str, alias: str, version: str, by: By = "gate"
) -> str | None:
    """Give the alias to `version`; return the version that held it before.

    The tags come before the alias: killed in between, the old champion stays, and a second call
    gives the same result.
    """
    champion = champion_of(client, project, alias)
    previous = None if champion is None else str(champion.version)
    if previous == version:
        return previous
    if previous is not None:
        client.set_model_version_tag(project, version, PREVIOUS, previous)
    _note_reign(client, project, version, alias, by, previous)
    client.set_registered_model_alias(project, alias, version)
    if alias != CHALLENGER:
        drop_challenger(client, project, version)
    return previous


def _note_reign(
    client: "MlflowClient", project: str, version: str, alias: str, by: By, after: str | None
) -> None:
    """MLflow records who holds an alias, not since when, nor who held it before."""
    reigns = reigns_of(client.get_model_version(project, version).tags)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    reigns.append({"alias": alias, "at": at, "by": by, "after": after})
    text = json.dumps(reigns[-_KEPT_REIGNS:])
    client.set_model_version_tag(project, version, stored_tag(REIGNS), text)


def reigns_of(tags: dict[str, str]) -> list[dict[str, Any]]:
    """When a version was given an alias, by whom, and who held it before; oldest first."""
    return list(json.loads(plain_tags(tags).get(REIGNS, "[]")))


def name_challenger(client: "MlflowClient", project: str, version: str) -> None:
    """Point the alias `challenger` to the newest version that did not pass the gate."""
    client.set_registered_model_alias(project, CHALLENGER, version)


def start_shadow(client: "MlflowClient", project: str, version: str, days: float) -> None:
    """Make a version that passed the gate the challenger, unless another one is under test.

    Args:
        client: of the store.
        project: the registered model.
        version: that passed.
        days: after which a test that has not decided ends.
    """
    now = datetime.now(UTC)
    held = champion_of(client, project, CHALLENGER)
    since = None if held is None else held.tags.get(SHADOW_SINCE)
    if since is not None and now - datetime.fromisoformat(since) < timedelta(days=days):
        return
    client.set_model_version_tag(project, version, SHADOW_SINCE, now.isoformat(timespec="seconds"))
    name_challenger(client, project, version)


def drop_challenger(client: "MlflowClient", project: str, version: str) -> None:
    """Take the alias `challenger` from a version, if it is still that one's."""
    if str(client.get_registered_model(project).aliases.get(CHALLENGER)) == version:
        client.delete_registered_model_alias(project, CHALLENGER)


def previous_of(client: "MlflowClient", project: str, alias: str) -> tuple[str, str]:
    """(the champion, the version that held the alias before it).

    Raises:
        TrackingError: there is no champion, or no version before it.
    """
    champion = champion_of(client, project, alias)
    if champion is None:
        raise TrackingError(
            f"{project}: no version holds the alias {alias!r}; there is nothing to roll back"
        )
    previous = champion.tags.get(PREVIOUS)
    if previous is None:
        raise TrackingError(
            f"{project}: version {champion.version} is the first {alias}; "
            "there is no earlier version to roll back to"
        )
    if not any(str(v.version) == previous for v in versions_of(client, project)):
        raise TrackingError(
            f"{project}: version {previous}, the {alias} before {champion.version}, was deleted; "
            "choose another one: `layerline promote VERSION`"
        )
    return str(champion.version), str(previous)


def rollback(client: "MlflowClient", project: str, alias: str, by: By = "rollback") -> str:
    """Give the alias back to the version that held it before; return that version.

    Raises:
        TrackingError: there is no champion, or no version before it.
    """
    champion, previous = previous_of(client, project, alias)
    _note_reign(client, project, previous, alias, by, champion)
    client.set_registered_model_alias(project, alias, previous)
    return previous


def versions_of(client: "MlflowClient", project: str) -> "list[ModelVersion]":
    """Every version of the project, the newest first."""
    found = client.search_model_versions(f"name = '{project}'", max_results=10_000)
    return sorted(found, key=lambda version: -int(version.version))


def require_version(client: "MlflowClient", project: str, version: str) -> "ModelVersion":
    """The version of that number.

    Raises:
        TrackingError: there is none; lists the registered ones.
    """
    known = {str(v.version): v for v in versions_of(client, project)}
    if version not in known:
        names = ", ".join(sorted(known, key=int)) or "none yet"
        raise TrackingError(f"{project}: unknown version {version}; registered: {names}")
    return known[version]
