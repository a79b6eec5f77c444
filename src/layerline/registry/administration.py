"""Registry commands for people: promote, roll back, verify, history; changes under the lock."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.errors import TrackingError
from layerline.registry.client import open_registry, registry_lock
from layerline.registry.integrity import IntegrityReport, check_integrity, require_integrity
from layerline.registry.promotion import (
    PREVIOUS,
    By,
    champion_of,
    previous_of,
    promote,
    reigns_of,
    require_version,
    rollback,
    versions_of,
)
from layerline.registry.verifier import Verifier, start_verifier

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

VERIFIED = "layerline.verified"


@dataclasses.dataclass(frozen=True)
class Move:
    """An alias and the version that held it before and after; a dry run moves nothing."""

    project: str
    alias: str
    before: str | None
    after: str
    dry_run: bool


def promote_version(
    home: Path, project: str, alias: str, version: str, *, dry_run: bool = False, by: By = "hand"
) -> Move:
    """Verify a version in a fresh process and promote it, whatever the gate decided.

    Raises:
        TrackingError: there is no such version, or the store is unavailable.
        SourceError: its bytes or its predictions are not those that were registered.
    """
    with (
        start_verifier(home) as verifier,
        registry_lock(home, project),
        open_registry(home, f"promoting {project}") as client,
    ):
        wanted = require_version(client, project, version)
        require_integrity(
            check_integrity(client, wanted, verifier, dry_run=dry_run), "promoting it"
        )
        champion = champion_of(client, project, alias)
        before = None if champion is None else str(champion.version)
        if not dry_run:
            promote(client, project, alias, version, by)
    return Move(project, alias, before, version, dry_run)


def rollback_champion(
    home: Path, project: str, alias: str, *, dry_run: bool = False, by: By = "rollback"
) -> Move:
    """Give the alias back to the version before, after checking its bytes.

    It is not loaded first: a rollback must be quick, and that version has served before.

    Raises:
        TrackingError: there is no version to roll back to, or the store is unavailable.
        SourceError: its bytes are not those that were registered.
    """
    with registry_lock(home, project), open_registry(home, f"rolling {project} back") as client:
        before, after = previous_of(client, project, alias)
        wanted = client.get_model_version(project, after)
        require_integrity(
            check_integrity(client, wanted, None, dry_run=dry_run), "rolling back to it"
        )
        if not dry_run:
            rollback(client, project, alias, by)
    return Move(project, alias, before, after, dry_run)


def verify_versions(
    home: Path, project: str, alias: str, version: str | None, *, dry_run: bool = False
) -> list[IntegrityReport]:
    """Check one version, the alias's own for None, or all of them for "all".

    The result is written into the version's tags, except in a dry run.

    Raises:
        TrackingError: there is no such version, or the store is unavailable.
    """
    with (
        start_verifier(home) as verifier,
        open_registry(home, f"verifying {project}") as client,
    ):
        chosen = _choose(client, project, alias, version)
        return [_verify(client, one, verifier, dry_run) for one in chosen]


def _choose(
    client: "MlflowClient", project: str, alias: str, version: str | None
) -> "list[ModelVersion]":
    if version == "all":
        return versions_of(client, project)
    if version is not None:
        return [require_version(client, project, version)]
    champion = champion_of(client, project, alias)
    if champion is None:
        raise TrackingError(f"{project}: no version holds the alias {alias!r}; name a VERSION")
    return [champion]


def _verify(
    client: "MlflowClient", version: "ModelVersion", verifier: Verifier, dry_run: bool
) -> IntegrityReport:
    report = check_integrity(client, version, verifier, dry_run=dry_run)
    if not dry_run:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = f"{'passed' if report.passed else 'failed'} {at}"
        client.set_model_version_tag(report.project, str(report.version), VERIFIED, text)
    return report


UNJUDGED = (
    "its registration ended before the gate judged it: run `layerline register` where it was "
    "trained, or promote or delete it"
)


def history(home: Path, project: str) -> list[dict[str, Any]]:
    """Every version, newest first: its aliases, the gate's verdict, when it was champion.

    Raises:
        TrackingError: the store is unavailable.
    """
    with open_registry(home, f"reading the history of {project}") as client:
        versions = versions_of(client, project)
        aliases = client.get_registered_model(project).aliases if versions else {}
        return [_line(version, aliases) for version in versions]


def _line(version: "ModelVersion", aliases: dict[str, str]) -> dict[str, Any]:
    tags = version.tags
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return {
        "version": int(version.version),
        "aliases": sorted(
            a for a, number in aliases.items() if str(number) == str(version.version)
        ),
        "registered": created.isoformat(timespec="seconds"),
        "run_id": version.run_id,
        "verdict": tags.get("layerline.verdict"),
        "reason": tags.get("layerline.verdict_reason") or UNJUDGED,
        "reigns": reigns_of(tags),
        "previous_champion": tags.get(PREVIOUS),
        "verified": tags.get(VERIFIED),
        "network_sha256": tags.get("layerline.network_sha256"),
    }
