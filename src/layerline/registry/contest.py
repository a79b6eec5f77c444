"""Challenger against champion: what is registered, as loaded afresh, on the same test rows."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from layerline.artifacts import NETWORK_WEIGHTS, Workspace, read_json, read_manifest
from layerline.config import Params
from layerline.data.preprocessing.preprocessor import Preprocessor
from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.evaluation.decision import Decision, read_decision
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.recording import read_record
from layerline.registry.bundle import About, write_bundle
from layerline.registry.gate import Verdict, judge
from layerline.registry.holdout import Holdout, beside_truth, read_holdout
from layerline.registry.packaging import N_EXAMPLES
from layerline.registry.promotion import champion_of, name_challenger, promote
from layerline.registry.registration import Version, hash_tags, log_version, tag_version
from layerline.registry.verification import Verifier, require_same, write_rows

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

TOLERANCE = 1e-6  # of probabilities; of standardised units for regression ten times as much


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What is to be registered, and the rows it is judged by."""

    about: About
    bundle: Path
    holdout: Holdout
    expected: pd.DataFrame  # what evaluate recorded for the holdout
    decision: Decision
    rows: Path  # the holdout's rows, for the fresh process
    run_id: str
    test_metrics: dict[str, float] | None


def prepare(workspace: Workspace, params: Params, run_id: str, folder: Path) -> Candidate:
    """Read and check models/ and the test rows, and write the bundle into `folder`.

    Raises:
        SourceError: an artifact is missing or damaged.
    """
    holdout = read_holdout(workspace)
    _require_metric(params.register.gate.metric, holdout.task)
    network = read_manifest(workspace.network)["files"][NETWORK_WEIGHTS]["sha256"]
    expected = read_record(workspace.predictions, network).drop(columns=["id", "actual"])
    read_manifest(workspace.preprocessor)
    read_manifest(workspace.decision)
    bundle = folder / "bundle"
    about = write_bundle(
        bundle,
        project=params.project,
        network_folder=workspace.network,
        preprocessor=Preprocessor.from_json(
            read_json(workspace.preprocessor / "preprocessor.json")
        ),
        columns=holdout.columns,
        decision_folder=workspace.decision,
        examples=(holdout.rows[:N_EXAMPLES], expected[:N_EXAMPLES]),
    )
    metrics = workspace.reports / "metrics.json"
    return Candidate(
        about=about,
        bundle=bundle,
        holdout=holdout,
        expected=expected,
        decision=read_decision(workspace.decision, about.classes),
        rows=write_rows(folder, holdout.rows),
        run_id=run_id,
        test_metrics=read_json(metrics)["test"] if metrics.exists() else None,
    )


def _require_metric(metric: str, task: str) -> None:
    """Refuse a gate by a metric of the other kind of task."""
    if metric != "auto" and (metric in ("rmse", "mae")) != (task == "regression"):
        message = f"{metric!r} does not fit a {task} task; use auto, or another metric"
        raise ParamsError([Problem("register.gate.metric", message)])


def log_candidate(client: "MlflowClient", candidate: Candidate) -> Version:
    """Make it a version, or find the version it already is."""
    return log_version(
        client,
        run_id=candidate.run_id,
        bundle=candidate.bundle,
        about=candidate.about,
        examples=candidate.holdout.rows,
    )


def hold_contest(
    client: "MlflowClient",
    params: Params,
    candidate: Candidate,
    version: Version,
    verifier: Verifier,
) -> dict[str, Any]:
    """Verify, judge and, if the gate is passed, promote; return what registration.json holds.

    Raises:
        LayerlineError: the version does not reproduce the pipeline's predictions.
    """
    project, alias = params.project, params.register.alias
    challenger = _verify(client, verifier, version, candidate)
    champion = champion_of(client, project, alias)
    known, unreadable = _predicted_by(client, verifier, champion, version, candidate)
    verdict = judge(
        known,
        challenger,
        params.register.gate,
        task=candidate.holdout.task,
        seed=params.seed,
        same_bytes=_is_same(champion, version),
        unreadable=unreadable,
    )
    tag_version(client, version, _verdict_tags(verdict, candidate))
    previous = None if champion is None else str(champion.version)
    if verdict.promote:
        promote(client, project, alias, version.number)
    elif previous != version.number:
        name_challenger(client, project, version.number)
    return _registration(params, candidate, version, verdict, previous)


def _verify(
    client: "MlflowClient", verifier: Verifier, version: Version, candidate: Candidate
) -> Predictions:
    """The challenger's predictions as loaded from the registry; they must be those recorded."""
    source = _files_of(client, version.project, version.number)
    found = verifier.predict(version.uri, candidate.rows, source)
    regression = candidate.holdout.classes is None
    tolerance = TOLERANCE * (10 * candidate.holdout.target_scale if regression else 1)
    require_same(version.uri, candidate.expected, found, tolerance, candidate.decision)
    return beside_truth(found, candidate.holdout)


def _predicted_by(
    client: "MlflowClient",
    verifier: Verifier,
    champion: "ModelVersion | None",
    version: Version,
    candidate: Candidate,
) -> tuple[Predictions | None, str]:
    """What the champion predicts for the same rows, or why it cannot."""
    if champion is None or _is_same(champion, version):
        return None, ""
    number = str(champion.version)
    uri = f"models:/{version.project}/{number}"
    try:
        source = _files_of(client, version.project, number)
        return beside_truth(verifier.predict(uri, candidate.rows, source), candidate.holdout), ""
    except (DataError, SourceError) as error:
        return None, str(error)


def _is_same(champion: "ModelVersion | None", version: Version) -> bool:
    return champion is not None and str(champion.version) == version.number


def _files_of(client: "MlflowClient", project: str, number: str) -> str | None:
    """The folder with a version's files when this machine has it, as with the default store."""
    folder: str = client.get_model_version_download_uri(project, number)
    return folder if Path(folder).is_dir() else None


def _verdict_tags(verdict: Verdict, candidate: Candidate) -> dict[str, Any]:
    return {
        "layerline.verdict": "promoted" if verdict.promote else "kept",
        "layerline.verdict_reason": verdict.reason,
        "layerline.verdict_numbers": verdict.to_json(),
        "layerline.test_metrics": candidate.test_metrics,
    }


def _registration(
    params: Params,
    candidate: Candidate,
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
