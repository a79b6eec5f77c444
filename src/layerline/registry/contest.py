"""Challenger against champion: both as registered, freshly loaded, on the same test rows."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from layerline.artifacts import NETWORK_WEIGHTS, read_json_as
from layerline.artifacts.temporary import temporary_folder
from layerline.config import GateSection, Params
from layerline.errors import DataError, SourceError
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.target_predictions import scales_of
from layerline.model.bundle import ABOUT
from layerline.model.seen_rows import SEEN, is_seen, read_seen
from layerline.model.target_profile import TargetProfile
from layerline.registry.candidate import Candidate
from layerline.registry.gate import Verdict, judge, left_to_shadow
from layerline.registry.gate_rules import Context
from layerline.registry.holdout import with_truth
from layerline.registry.integrity import check_integrity, require_integrity
from layerline.registry.promotion import champion_of, name_challenger, promote, start_shadow
from layerline.registry.registration import Version, files_of, hash_tags, tag_version
from layerline.registry.verifier import Verifier, require_same, tolerance_of

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_TAGGED_SLICES = 20


def hold_contest(
    client: "MlflowClient",
    params: Params,
    candidate: Candidate,
    version: Version,
    verifier: Verifier,
) -> dict[str, Any]:
    """Verify, compare and, if the gate passes, promote; return the content of registration.json.

    Raises:
        LayerlineError: the version does not reproduce the pipeline's predictions.
    """
    project, alias, gate = params.project, params.register.alias, params.register.gate
    challenger = _verify(client, verifier, version, candidate)
    champion = champion_of(client, project, alias)
    known, unreadable = _predicted_by(client, verifier, champion, version, candidate)
    context = Context(
        same_bytes=_is_same(champion, version),
        experiment=_experiment(params),
        unreadable=unreadable,
        seen=_seen_by(client, champion, candidate) if known is not None else None,
        slices=candidate.slices,
        target_shift=_target_shift(client, champion, candidate) if known is not None else "",
        latency_ms=_latency(client, verifier, version, candidate, gate),
        size_mb=candidate.size_mb,
    )
    verdict = judge(
        known, challenger, gate, task=candidate.holdout.task, seed=params.seed, context=context
    )
    waits = verdict.promote and champion is not None and params.retrain.promote == "shadow"
    if waits:
        verdict = left_to_shadow(verdict)
    if not context.same_bytes:  # otherwise the tags keep how it became champion
        tag_version(client, version, _verdict_tags(verdict, candidate))
    previous = _number(champion)
    if verdict.promote:
        if _number(champion_of(client, project, alias)) != previous:
            # Each machine has a lock of its own: another one promoted meanwhile, and that
            # champion has not been compared with yet.
            return hold_contest(client, params, candidate, version, verifier)
        promote(client, project, alias, version.number)
    elif waits:
        start_shadow(client, project, version.number, params.retrain.shadow_days)
    elif previous != version.number and params.retrain.promote == "gate":
        name_challenger(client, project, version.number)
    return _registration(params, candidate, version, verdict, previous)


def _experiment(params: Params) -> str:
    """The DVC experiment that this is a run of, where experiments are not promoted."""
    if params.register.promote_experiments:
        return ""
    return os.environ.get("DVC_EXP_NAME", "")


def _verify(
    client: "MlflowClient", verifier: Verifier, version: Version, candidate: Candidate
) -> Predictions:
    """The challenger's predictions, loaded from the registry; they must equal those recorded."""
    registered = client.get_model_version(version.project, version.number)
    require_integrity(check_integrity(client, registered, None), "loading it")
    source = files_of(client, version.project, version.number)
    found = verifier.predict(version.uri, candidate.rows, source)
    holdout = candidate.holdout
    weights = candidate.bundle / NETWORK_WEIGHTS
    is_number = holdout.classes is None and holdout.task != "multilabel"
    tolerance = tolerance_of(weights, is_number, holdout.target_scale)
    scales = scales_of(holdout.targets)
    require_same(version.uri, candidate.expected, found, tolerance, candidate.decision, scales)
    return with_truth(found, candidate.holdout)


def _predicted_by(
    client: "MlflowClient",
    verifier: Verifier,
    champion: "ModelVersion | None",
    version: Version,
    candidate: Candidate,
) -> tuple[Predictions | None, str]:
    """The champion's predictions of the same rows, or why it cannot predict them."""
    if champion is None or _is_same(champion, version):
        return None, ""
    number = str(champion.version)
    uri = f"models:/{version.project}/{number}"
    try:
        require_integrity(check_integrity(client, champion, None), "loading it")  # its code, too
        source = files_of(client, version.project, number)
        return with_truth(verifier.predict(uri, candidate.rows, source), candidate.holdout), ""
    except (DataError, SourceError) as error:
        return None, str(error)


def _seen_by(
    client: "MlflowClient", champion: "ModelVersion | None", candidate: Candidate
) -> "NDArray[np.bool_] | None":
    """(B,) which test rows the champion was trained on; None where that is unknown."""
    with _champion_file(client, champion, SEEN) as path:
        return None if path is None else is_seen(candidate.holdout.rows, read_seen(path))


def _target_shift(
    client: "MlflowClient", champion: "ModelVersion | None", candidate: Candidate
) -> str:
    """How the target has moved since the champion was trained; "" where none is known."""
    now = candidate.holdout.target_profile
    with _champion_file(client, champion, ABOUT) as path:
        before = read_json_as(path, _target_profile) if path and path.is_file() else None
    return "" if before is None or now is None else now.shift_from(before)


def _target_profile(about: Mapping[str, Any]) -> TargetProfile | None:
    return TargetProfile.from_json(about.get("target_profile"))


@contextlib.contextmanager
def _champion_file(
    client: "MlflowClient", champion: "ModelVersion | None", file: str
) -> Iterator[Path | None]:
    """A file of the champion's bundle; None where there is no champion or no such file."""
    if champion is None:
        yield None
        return
    name, number = str(champion.name), str(champion.version)
    folder, inside = files_of(client, name, number), f"artifacts/bundle/{file}"
    if folder is not None:
        yield Path(folder) / inside
        return
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with temporary_folder() as place:
        try:
            uri = f"models:/{name}/{number}/{inside}"
            path: Path | None = Path(download_artifacts(artifact_uri=uri, dst_path=str(place)))
        except (MlflowException, OSError):
            path = None  # a version of an earlier release has no such file
        yield path


def _latency(
    client: "MlflowClient",
    verifier: Verifier,
    version: Version,
    candidate: Candidate,
    gate: GateSection,
) -> float | None:
    """Milliseconds for one row, where the gate has a budget for them."""
    if gate.max_latency_ms is None:
        return None
    source = files_of(client, version.project, version.number)
    return verifier.time_row(version.uri, candidate.rows, source)


def _number(version: "ModelVersion | None") -> str | None:
    return None if version is None else str(version.version)


def _is_same(champion: "ModelVersion | None", version: Version) -> bool:
    return champion is not None and str(champion.version) == version.number


def _verdict_tags(verdict: Verdict, candidate: Candidate) -> dict[str, Any]:
    lost = [part.name for part in verdict.slices if not part.passed][:_TAGGED_SLICES]
    return {
        "layerline.verdict": "promoted" if verdict.promote else "kept",
        "layerline.verdict_reason": verdict.reason,
        # A tag holds 5,000 characters, which many slices would exceed.
        "layerline.verdict_numbers": {**verdict.to_json(), "slices": lost},
        "layerline.test_metrics": candidate.test_metrics,
    }


def _registration(
    params: Params,
    candidate: Candidate,
    version: Version,
    verdict: Verdict,
    previous: str | None,
) -> dict[str, Any]:
    holder = version.number if verdict.promote else previous
    numbers = verdict.to_json()
    hashes = hash_tags(candidate.bundle)
    return {
        "project": params.project,
        "alias": params.register.alias,
        "version": int(version.number),
        "promoted": numbers.pop("promote"),
        "champion_version": None if holder is None else int(holder),
        "previous_version": None if previous is None else int(previous),
        "n_test_rows": numbers.pop("n_rows"),
        **numbers,
        "run_id": version.run_id,
        "model_uri": version.uri,
        **{tag.removeprefix("layerline."): value for tag, value in hashes.items()},
    }
