"""What is to be registered, read from a checkout, and the rows it is judged by."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from layerline.artifacts import NETWORK_WEIGHTS, Workspace, read_json_as, read_manifest
from layerline.config import GateSection, Params
from layerline.errors import ParamsError, Problem
from layerline.evaluation.decision import Decision, read_decision
from layerline.evaluation.prediction_table import read_record
from layerline.evaluation.slices import Slice, cut_rows
from layerline.evaluation.target_predictions import ACTUAL
from layerline.model.bundle import About, BundleContents, write_bundle
from layerline.model.reference import REFERENCE, describe_training
from layerline.model.seen_rows import SEEN, seen_by_training
from layerline.registry.holdout import Holdout, read_holdout
from layerline.registry.mlflow_model import N_EXAMPLES
from layerline.registry.registration import Version, log_version
from layerline.registry.verifier import write_rows
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.sources.reading.dialect import Dialect

if TYPE_CHECKING:
    from mlflow import MlflowClient


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
    test_metrics: dict[str, float | None] | None
    slices: tuple[Slice, ...] = ()
    exports: Path | None = None  # the model for other runtimes, if requested

    @property
    def size_mb(self) -> float:
        """The size of the files that loading it needs, in millions of bytes."""
        files = (file for file in self.bundle.iterdir() if file.name not in (SEEN, REFERENCE))
        return sum(file.stat().st_size for file in files) / 1e6


def prepare(workspace: Workspace, params: Params, run_id: str, folder: Path) -> Candidate:
    """Read and check models/ and the test rows, and write the bundle into `folder`.

    Raises:
        SourceError: an artifact is missing or damaged.
    """
    holdout = read_holdout(workspace, params.scale)
    gate = params.register.gate
    _require_metric(gate, holdout.task)
    slices = cut_rows(holdout.frame, gate.slices, "register.gate.slices")
    network = read_manifest(workspace.network)["files"][NETWORK_WEIGHTS]["sha256"]
    recorded = read_record(workspace.predictions, network)
    truths = [f"{ACTUAL}{t.name}" for t in holdout.targets] or ["actual"]
    expected = recorded.drop(columns=["id", *truths])
    bundle = folder / "bundle"
    about = write_model(bundle, workspace, params, holdout, expected)
    metrics = workspace.reports / "metrics.json"
    decision = read_decision(workspace.decision, about.classes)
    return Candidate(
        about=about,
        bundle=bundle,
        holdout=dataclasses.replace(holdout, costs=decision.matrix),
        expected=expected,
        decision=decision,
        rows=write_rows(folder, holdout.rows),
        run_id=run_id,
        test_metrics=read_json_as(metrics, _test_metrics) if metrics.exists() else None,
        slices=tuple(slices),
        exports=_export(bundle, params.register.export, holdout),
    )


def write_model(
    bundle: Path,
    workspace: Workspace,
    params: Params,
    holdout: Holdout,
    expected: pd.DataFrame | None = None,
) -> About:
    """Write what lies in models/ into the folder `bundle`, as one model.

    With the predictions `expected` of the test rows it also carries a few of these rows, and what
    the training rows looked like.

    Raises:
        SourceError: an artifact is missing or damaged.
    """
    for folder in (workspace.network, workspace.preprocessor, workspace.decision):
        read_manifest(folder)
    file = workspace.preprocessor / "preprocessor.json"
    preprocessor = read_json_as(file, Preprocessor.from_json)
    examples = reference = None
    if expected is not None:
        inputs = [column for column in holdout.columns if column.name in preprocessor.input_columns]
        examples = (holdout.rows[:N_EXAMPLES], expected[:N_EXAMPLES])
        reference = describe_training(workspace, inputs, expected)
    fetched = params.fetch
    contents = BundleContents(
        project=params.project,
        network_folder=workspace.network,
        preprocessor=preprocessor,
        columns=holdout.columns,
        decision_folder=workspace.decision,
        examples=examples,
        seen=seen_by_training(workspace),
        reference=reference,
        dialect=dialect_of(params),
        target_profile=holdout.target_profile,
        resizes_images=fetched.source == "image_folder" and bool(fetched.options.get("size")),
    )
    return write_bundle(bundle, contents)


def _test_metrics(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    found = metrics["test"].items()
    return {name: None if value is None else float(value) for name, value in found}


def dialect_of(params: Params) -> Dialect:
    """How the training's own CSV files are written, where params.yaml specifies so."""
    options = params.fetch.options if params.fetch.source == "files" else {}
    missing = tuple(options.get("missing") or ())
    union = bool(options.get("union"))
    return Dialect(options.get("separator"), options.get("encoding"), missing, union)


def _export(bundle: Path, formats: tuple[str, ...], holdout: Holdout) -> Path | None:
    if not formats:
        return None
    # Torch's exporters cost seconds: only where they are requested.
    from layerline.model.exporting.export import write_exports
    from layerline.model.load import load_bundle

    folder = bundle.with_name("exports")
    folder.mkdir()
    write_exports(load_bundle(bundle), formats, folder, holdout.rows)
    return folder


def _require_metric(gate: GateSection, task: str) -> None:
    """Refuse a gate metric of the other kind of task."""
    metric, is_numeric = gate.metric, task in ("regression", "multi_regression")
    is_other_kind = metric != "auto" and (metric in ("rmse", "mae", "r2")) != is_numeric
    if is_other_kind or (metric == "rmse" and task == "multi_regression"):
        message = f"{metric!r} does not fit a {task} task; use auto, or another metric"
        raise ParamsError([Problem("register.gate.metric", message)])


def log_candidate(client: "MlflowClient", candidate: Candidate) -> Version:
    """Register it as a version, or find the version that it already is."""
    return log_version(
        client,
        run_id=candidate.run_id,
        bundle=candidate.bundle,
        about=candidate.about,
        examples=candidate.holdout.rows,
        exports=candidate.exports,
    )
