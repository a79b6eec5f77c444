"""The register stage: bundle, log, load afresh, judge, promote; in that order, under one lock.

Killed at any moment and run again it ends with one version and one champion: a version is found by
its hashes, and the alias moves in one call.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from layerline.artifacts import Workspace, read_json, read_manifest
from layerline.config import Params
from layerline.data.preprocessing import Preprocessor
from layerline.errors import DataError, SourceError, TrackingError
from layerline.evaluation.predictions import Predictions
from layerline.registry.access import open_registry, registry_lock
from layerline.registry.bundle import Model, write_bundle
from layerline.registry.gate import Verdict, judge
from layerline.registry.holdout import Holdout, beside_truth, read_holdout
from layerline.registry.packaging import N_EXAMPLES
from layerline.registry.promotion import champion_of, name_challenger, promote
from layerline.registry.registration import Version, hash_tags, log_version, tag_version
from layerline.registry.verification import Verifier, require_same, start_verifier, write_rows
from layerline.tracking.flush import flush, run_id_of
from layerline.training.loop import predict

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

TOLERANCE = 1e-6  # of probabilities; of standardised units for regression ten times as much
FLUSH_WAIT_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """What is to be registered, and the rows it is judged by."""

    model: Model
    bundle: Path
    holdout: Holdout
    rows: Path
    run_id: str


def register_model(
    workspace: Workspace, params: Params, run_key: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Register models/ as a version and promote it if it passes the gate.

    Args:
        workspace: the checkout.
        params: the whole params.yaml.
        run_key: the key of the training's run.
        say: tells the user one line.

    Returns:
        What reports/registration.json holds.

    Raises:
        TrackingError: the store is away, or does not know the training's run.
        SourceError: an artifact is missing or damaged.
        BusyError: another registration did not end in time.
    """
    home, project = workspace.home, params.project
    torch.set_num_threads(params.threads)
    with (
        start_verifier(home, params.threads) as verifier,
        tempfile.TemporaryDirectory(prefix="layerline-") as folder,
    ):
        candidate = _prepare(workspace, project, run_key, Path(folder))
        with (
            registry_lock(home, project),
            open_registry(home, f"registering {project}") as client,
        ):
            version = _log(client, candidate)
            say(f"{version.uri} {'logged' if version.is_new else 'is there already'}")
            return _decide(client, workspace, params, candidate, version, verifier, say)


def _prepare(workspace: Workspace, project: str, run_key: str, folder: Path) -> _Candidate:
    holdout = read_holdout(workspace)
    read_manifest(workspace.network)
    read_manifest(workspace.preprocessor)
    state = read_json(workspace.preprocessor / "preprocessor.json")
    bundle = folder / "bundle"
    model = write_bundle(
        bundle,
        project=project,
        network_folder=workspace.network,
        preprocessor=Preprocessor.from_json(state),
        columns=holdout.columns,
        examples=holdout.rows[:N_EXAMPLES],
    )
    rows = write_rows(folder, holdout.rows)
    return _Candidate(model, bundle, holdout, rows, _run_id(workspace.home, run_key))


def _run_id(home: Path, key: str) -> str:
    report = flush(home, wait_seconds=FLUSH_WAIT_SECONDS)
    if report.errors:
        raise TrackingError(report.errors[0])
    run_id = run_id_of(home, key)
    if run_id is None:
        raise TrackingError(
            "MLflow's store does not know the run of this training (was mlflow.db removed, or "
            "MLFLOW_TRACKING_URI changed?); run `dvc repro -f`"
        )
    return run_id


def _log(client: "MlflowClient", candidate: _Candidate) -> Version:
    return log_version(
        client,
        run_id=candidate.run_id,
        bundle=candidate.bundle,
        about=candidate.model.about,
        examples=candidate.holdout.rows,
    )


def _decide(
    client: "MlflowClient",
    workspace: Workspace,
    params: Params,
    candidate: _Candidate,
    version: Version,
    verifier: Verifier,
    say: Callable[[str], None],
) -> dict[str, Any]:
    project, alias = params.project, params.register.alias
    challenger = _verify(verifier, version, candidate)
    champion = champion_of(client, project, alias)
    verdict = _judge(verifier, champion, version, challenger, candidate, params)
    tag_version(client, version, _verdict_tags(verdict, workspace))
    previous = None if champion is None else str(champion.version)
    if verdict.promote:
        promote(client, project, alias, version.number)
        say(f"models:/{project}@{alias} is now version {version.number}: {verdict.reason}")
    else:
        if previous != version.number:
            name_challenger(client, project, version.number)
        say(f"models:/{project}@{alias} stays version {previous}: {verdict.reason}")
    return _registration(params, candidate, version, verdict, previous)


def _verify(verifier: Verifier, version: Version, candidate: _Candidate) -> Predictions:
    """The challenger's predictions as loaded from the registry, equal to the pipeline's own."""
    model, holdout = candidate.model, candidate.holdout
    expected = model.decode(predict(model.network, torch.from_numpy(holdout.x)).numpy())
    found = verifier.predict(version.uri, candidate.rows)
    regression = holdout.classes is None
    tolerance = TOLERANCE * (10 * model.preprocessor.target_scale if regression else 1)
    require_same(version.uri, expected, found, tolerance)
    return beside_truth(found, holdout)


def _judge(
    verifier: Verifier,
    champion: "ModelVersion | None",
    version: Version,
    challenger: Predictions,
    candidate: _Candidate,
    params: Params,
) -> Verdict:
    known, unreadable = None, ""
    same_bytes = champion is not None and str(champion.version) == version.number
    if champion is not None and not same_bytes:
        try:
            uri = f"models:/{version.project}/{champion.version}"
            known = beside_truth(verifier.predict(uri, candidate.rows), candidate.holdout)
        except (DataError, SourceError) as error:
            unreadable = str(error)
    return judge(
        known,
        challenger,
        params.register.gate,
        task=candidate.holdout.task,
        seed=params.seed,
        same_bytes=same_bytes,
        unreadable=unreadable,
    )


def _verdict_tags(verdict: Verdict, workspace: Workspace) -> dict[str, Any]:
    metrics = workspace.reports / "metrics.json"
    return {
        "layerline.verdict": "promoted" if verdict.promote else "kept",
        "layerline.verdict_reason": verdict.reason,
        "layerline.verdict_numbers": verdict.to_json(),
        "layerline.test_metrics": read_json(metrics).get("test") if metrics.exists() else None,
    }


def _registration(
    params: Params,
    candidate: _Candidate,
    version: Version,
    verdict: Verdict,
    previous: str | None,
) -> dict[str, Any]:
    holder = version.number if verdict.promote or previous is None else previous
    numbers = verdict.to_json()
    hashes = hash_tags(candidate.bundle)
    return {
        "project": params.project,
        "alias": params.register.alias,
        "version": int(version.number),
        "promoted": numbers.pop("promote"),
        "champion_version": int(holder),
        "previous_version": None if previous is None else int(previous),
        "n_test_rows": numbers.pop("n_rows"),
        **numbers,
        "run_id": version.run_id,
        "model_uri": version.uri,
        **{tag.removeprefix("layerline."): value for tag, value in hashes.items()},
    }
