"""Is a version still what was registered: its bytes, and its predictions.

MLflow keeps no digests. A registration writes two kinds into the version's tags: the sha256 of each
part of the model, and one over all files, including the code that travels with it.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import NETWORK_WEIGHTS, read_json
from layerline.artifacts.temporary import temporary_folder
from layerline.errors import LayerlineError, SourceError
from layerline.evaluation.decision import DECISION, PLAIN, read_decision
from layerline.evaluation.target_predictions import scales_of
from layerline.model.bundle import (
    EXAMPLES_IMAGES,
    EXAMPLES_TABLE,
    EXPECTED,
    PREPROCESSOR,
    check_bundle,
)
from layerline.registry.registration import FILES_TAG, MLMODEL_TAG, files_of
from layerline.registry.verifier import Verifier, require_same, tolerance_of
from layerline.registry.version_files import (
    INSIDE,
    compiled_code,
    files_sha256,
    mlmodel_sha256,
    remove_compiled_code,
)
from layerline.tables.storage import read_parquet
from layerline.tables.targets import read_targets
from layerline.tracking.mlflow_names import plain_tags
from layerline.tracking.version_tags import HASH_TAGS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check: `passed` is None where there was nothing to compare with."""

    what: str
    passed: bool | None
    message: str


@dataclasses.dataclass(frozen=True)
class IntegrityReport:
    """The checks of one version."""

    project: str
    version: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(finding.passed is not False for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """As `layerline verify --json` prints it."""
        return {**dataclasses.asdict(self), "passed": self.passed}


@contextlib.contextmanager
def version_files(client: "MlflowClient", version: "ModelVersion") -> Iterator[Path]:
    """The folder with a version's files: the store's own, or a copy that is deleted afterwards.

    Raises:
        SourceError: they are gone from the artifact store.
    """
    project, number = str(version.name), str(version.version)
    folder = files_of(client, project, number)
    if folder is not None:
        yield Path(folder)
        return
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    uri = f"models:/{project}/{number}"
    with temporary_folder() as place:
        try:
            path = download_artifacts(artifact_uri=uri, dst_path=str(place))
        except (MlflowException, OSError) as error:
            raise SourceError(
                f"{uri}: its files are missing from the artifact store, or cannot be read ({error})"
            ) from None
        yield Path(path)


def check_integrity(
    client: "MlflowClient",
    version: "ModelVersion",
    verifier: Verifier | None,
    *,
    dry_run: bool = False,
) -> IntegrityReport:
    """Recompute every hash, and let a fresh process predict the version's own example rows.

    Args:
        client: of the registry.
        version: the version.
        verifier: the fresh process; None checks the bytes only.
        dry_run: leave compiled code where it is; the fresh process ignores it.
    """
    with version_files(client, version) as folder:
        findings = [
            *_parts(version, folder / INSIDE),
            _all_files(version, folder),
            _mlmodel(version, folder),
            *_compiled_code(client, version, folder, dry_run=dry_run),
        ]
        if verifier is not None:
            intact = all(finding.passed is not False for finding in findings)
            # Damaged code must not run.
            findings += [_predictions(version, folder, verifier)] if intact else []
    return IntegrityReport(str(version.name), int(version.version), tuple(findings))


def _parts(version: "ModelVersion", bundle: Path) -> Iterator[Finding]:
    try:
        found = check_bundle(bundle)
    except SourceError as error:
        yield Finding("manifest", False, str(error))
        return
    yield Finding("manifest", True, f"{len(found)} files have the sha256 of their manifest")
    tags = plain_tags(version.tags)
    for tag, name in HASH_TAGS.items():
        recorded = tags.get(tag)
        if name not in found and recorded is None:
            continue  # older bundles have no decision.json
        passed = None if recorded is None else recorded == found.get(name)
        now, then = found.get(name, "missing"), recorded or "nothing"
        message = f"{name} has sha256 {now[:12]}…, registered was {then[:12]}…"
        yield Finding(name, passed, message)


def _all_files(version: "ModelVersion", folder: Path) -> Finding:
    recorded, found = plain_tags(version.tags).get(FILES_TAG), files_sha256(folder)
    passed = None if recorded is None else recorded == found
    message = (
        "an earlier release registered it, without a hash of all files"
        if recorded is None
        else f"all files, including code: {found[:12]}…, registered was {recorded[:12]}…"
    )
    return Finding("files", passed, message)


def _mlmodel(version: "ModelVersion", folder: Path) -> Finding:
    try:
        found = mlmodel_sha256(folder)
    except SourceError as error:
        return Finding("MLmodel", False, str(error))
    recorded = plain_tags(version.tags).get(MLMODEL_TAG)
    if recorded is None:
        return Finding("MLmodel", True, "MLmodel loads the version's own code and bundle")
    message = f"MLmodel has sha256 {found[:12]}…, registered was {recorded[:12]}…"
    return Finding("MLmodel", recorded == found, message)


def _compiled_code(
    client: "MlflowClient", version: "ModelVersion", folder: Path, *, dry_run: bool
) -> Iterator[Finding]:
    """Code that Python would run instead of its source, and that no hash covers.

    Where a version lies on this machine, loading it may leave such code: it is removed. In a copy
    from elsewhere it can only have been put there.
    """
    n_folders = len(compiled_code(folder))
    if not n_folders:
        return
    what, text = "compiled code", f"{n_folders} __pycache__ folders that were not registered"
    if files_of(client, str(version.name), str(version.version)) is None:
        yield Finding(what, False, f"{text}: delete them in the artifact store")
    elif dry_run:
        yield Finding(what, None, f"{text}: not used here, and not removed in a dry run")
    else:
        try:
            remove_compiled_code(folder)
        except SourceError as error:
            yield Finding(what, False, str(error))
        else:
            yield Finding(what, True, f"{text} were removed")


def _predictions(version: "ModelVersion", folder: Path, verifier: Verifier) -> Finding:
    """Its predictions of its own example rows, in a fresh process."""
    bundle = folder / INSIDE
    given = [
        bundle / name for name in (EXAMPLES_TABLE, EXAMPLES_IMAGES) if (bundle / name).exists()
    ]
    if not given:
        return Finding("predictions", None, "it has no example rows")
    expected = read_parquet(bundle / EXPECTED)
    state = read_json(bundle / PREPROCESSOR)
    # The scale of a curved target is that of its logarithms or ranks.
    curved = bool(state.get("target_curve")) and state["classes"] is None
    unit = float(expected["prediction"].std()) if curved else float(state["target_scale"])
    decision = read_decision(bundle, state["classes"]) if (bundle / DECISION).exists() else PLAIN
    uri = f"models:/{version.name}/{version.version}"
    try:
        found = verifier.predict(uri, given[0], str(folder))
        is_number = state["classes"] is None and state["task"] != "multilabel"
        allowed = tolerance_of(bundle / NETWORK_WEIGHTS, is_number, unit)
        scales = scales_of(read_targets(state.get("targets")))
        require_same(uri, expected, found, allowed, decision, scales)
    except LayerlineError as error:
        return Finding("predictions", False, str(error))
    return Finding("predictions", True, f"{len(found)} recorded predictions are reproduced")


def require_integrity(report: IntegrityReport, action: str) -> None:
    """Refuse a version with a failed check.

    Raises:
        SourceError: lists the failed checks.
    """
    wrong = [finding.message for finding in report.findings if finding.passed is False]
    if wrong:
        raise SourceError(
            f"models:/{report.project}/{report.version}: {'; '.join(wrong)}; {action} was refused: "
            "choose another version (`layerline history`)"
        )
