"""Who is champion: one alias, moved in one call, with the way back written down first.

Callers hold `access.registry_lock`; the functions `..._by_hand` take it themselves.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import TrackingError
from layerline.registry.access import open_registry, registry_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PREVIOUS = "previous_champion"
CHALLENGER = "challenger"


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


def promote(client: "MlflowClient", project: str, alias: str, version: str) -> str | None:
    """Give the alias to `version`; return the version that held it before.

    The tag comes before the alias: killed in between, the old champion still is the champion, and
    doing it again gives the same result.
    """
    champion = champion_of(client, project, alias)
    previous = None if champion is None else str(champion.version)
    if previous == version:
        return previous
    if previous is not None:
        client.set_model_version_tag(project, version, PREVIOUS, previous)
    client.set_registered_model_alias(project, alias, version)
    aliases = client.get_registered_model(project).aliases
    if alias != CHALLENGER and str(aliases.get(CHALLENGER)) == version:
        client.delete_registered_model_alias(project, CHALLENGER)
    return previous


def name_challenger(client: "MlflowClient", project: str, version: str) -> None:
    """Let `challenger` point to the newest version that the gate did not pass."""
    client.set_registered_model_alias(project, CHALLENGER, version)


def rollback(client: "MlflowClient", project: str, alias: str) -> str:
    """Give the alias back to the version that held it before; return that version.

    Raises:
        TrackingError: there is no champion, or none came before it.
    """
    champion = champion_of(client, project, alias)
    if champion is None:
        raise TrackingError(f"{project}: no version holds the alias {alias!r}; nothing to undo")
    previous = champion.tags.get(PREVIOUS)
    if previous is None:
        raise TrackingError(
            f"{project}: version {champion.version} is the first {alias}; "
            "there is no earlier one to go back to"
        )
    if not any(
        str(v.version) == previous for v in client.search_model_versions(f"name = '{project}'")
    ):
        raise TrackingError(
            f"{project}: version {previous}, the {alias} before {champion.version}, was deleted; "
            "choose another one with `layerline promote`"
        )
    client.set_registered_model_alias(project, alias, previous)
    return str(previous)


def promote_by_hand(home: Path, project: str, alias: str, version: str) -> str | None:
    """Promote a version under the registry's lock; return the version that was champion before.

    Raises:
        TrackingError: there is no such version, or the store is away.
    """
    with registry_lock(home, project), open_registry(home, f"promoting {project}") as client:
        _require_version(client, project, version)
        return promote(client, project, alias, version)


def rollback_by_hand(home: Path, project: str, alias: str) -> str:
    """Roll back under the registry's lock; return the version that is champion again."""
    with registry_lock(home, project), open_registry(home, f"rolling {project} back") as client:
        return rollback(client, project, alias)


def _require_version(client: "MlflowClient", project: str, version: str) -> None:
    known = [str(v.version) for v in client.search_model_versions(f"name = '{project}'")]
    if version not in known:
        names = ", ".join(sorted(known, key=int)) or "none yet"
        raise TrackingError(f"{project}: there is no version {version}; registered: {names}")
