"""What people do to the registry: promote, roll back, look back, verify; each under its lock."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.errors import TrackingError
from layerline.registry.client import open_registry, registry_lock
from layerline.registry.integrity import Proof, prove, require_proof
from layerline.registry.promotion import (
    PREVIOUS,
    champion_of,
    previous_of,
    promote,
    reigns_of,
    require_version,
    rollback,
    versions_of,
)
from layerline.registry.verification import Verifier, start_verifier

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

VERIFIED = "layerline.verified"


@dataclasses.dataclass(frozen=True)
class Move:
    """An alias and the version that held it before and after; nothing moved in a dry run."""

    project: str
    alias: str
    before: str | None
    after: str
    dry_run: bool


def promote_by_hand(
    home: Path, project: str, alias: str, version: str, *, dry_run: bool = False
) -> Move:
    """Verify a version in a fresh process and promote it, whatever the gate said.

    Raises:
        TrackingError: there is no such version, or the store is away.
        SourceError: its bytes or its predictions are not those that were registered.
    """
    with (
        start_verifier(home) as verifier,
        registry_lock(home, project),
        open_registry(home, f"promoting {project}") as client,
    ):
        wanted = require_version(client, project, version)
        require_proof(prove(client, wanted, verifier), "promoting it")
        champion = champion_of(client, project, alias)
        before = None if champion is None else str(champion.version)
        if not dry_run:
            promote(client, project, alias, version, by="hand")
    return Move(project, alias, before, version, dry_run)


def rollback_by_hand(home: Path, project: str, alias: str, *, dry_run: bool = False) -> Move:
    """Give the alias back to the version before, after checking its bytes.

    It is not loaded first: going back must be quick, and that version has served before.

    Raises:
        TrackingError: there is no version to go back to, or the store is away.
        SourceError: its bytes are not those that were registered.
    """
    with registry_lock(home, project), open_registry(home, f"rolling {project} back") as client:
        before, after = previous_of(client, project, alias)
        wanted = client.get_model_version(project, after)
        require_proof(prove(client, wanted, None), "going back to it")
        if not dry_run:
            rollback(client, project, alias)
    return Move(project, alias, before, after, dry_run)


def verify_by_hand(
    home: Path, project: str, alias: str, version: str | None, *, dry_run: bool = False
) -> list[Proof]:
    """Prove one version, that of the alias for None, or all of them for "all".

    What was found is written into the version's tags, unless in a dry run.

    Raises:
        TrackingError: there is no such version, or the store is away.
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
        raise TrackingError(f"{project}: no version holds the alias {alias!r}; name one: VERSION")
    return [champion]


def _verify(
    client: "MlflowClient", version: "ModelVersion", verifier: Verifier, dry_run: bool
) -> Proof:
    proof = prove(client, version, verifier)
    if not dry_run:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = f"{'passed' if proof.passed else 'failed'} {at}"
        client.set_model_version_tag(proof.project, str(proof.version), VERIFIED, text)
    return proof


def history(home: Path, project: str) -> list[dict[str, Any]]:
    """Every version, the newest first: who holds which alias, what the gate said, who reigned when.

    Raises:
        TrackingError: the store is away.
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
        "reason": tags.get("layerline.verdict_reason"),
        "reigns": reigns_of(tags),
        "previous_champion": tags.get(PREVIOUS),
        "verified": tags.get(VERIFIED),
        "network_sha256": tags.get("layerline.network_sha256"),
    }
