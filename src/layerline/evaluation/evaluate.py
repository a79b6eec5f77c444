"""The evaluate stage's work: decision, metrics, baselines; report_writer.py writes the files."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from layerline.artifacts import (
    NETWORK_SPEC,
    NETWORK_WEIGHTS,
    Workspace,
    read_manifest,
    replace_folder,
)
from layerline.config import EvaluateSection, Params, ScaleSection
from layerline.evaluation.baseline_comparison import compare_with_baselines
from layerline.evaluation.baselines import fitting_baselines
from layerline.evaluation.class_costs import costs_of
from layerline.evaluation.class_metrics import measure_classes
from layerline.evaluation.decision import DECISION, Decision, write_decision
from layerline.evaluation.evaluation_results import EvaluationResults
from layerline.evaluation.fit_decision import choose_decision
from layerline.evaluation.forgetting_report import judge_forgetting
from layerline.evaluation.held_out import HeldOut, read_held_out
from layerline.evaluation.history import read_history
from layerline.evaluation.looks import note_look
from layerline.evaluation.metrics import measure
from layerline.evaluation.model_card import describe_interval
from layerline.evaluation.monotone_sweeps import sweep_columns
from layerline.evaluation.observations import observation_groups
from layerline.evaluation.own_metric import all_intervals, measure_own
from layerline.evaluation.permutation_importance import (
    Importance,
    group_features,
    permutation_importance,
)
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.report_writer import PlotInputs, write_reports
from layerline.evaluation.row_predictions import decide_rows, predict_rows, with_conformal
from layerline.evaluation.slice_coverage import measure_coverage
from layerline.evaluation.slice_metrics import measure_slices
from layerline.evaluation.temperature import Calibration
from layerline.evaluation.training_diagnosis import constant_guess, diagnose
from layerline.evaluation.worst_predictions import tabulate_worst, worst_rows
from layerline.networks.serialization import NetworkSpec, load_network
from layerline.tables.storage import read_table
from layerline.training.dataset import SPLITS, Rows, load_rows
from layerline.training.device import prepare_torch


@dataclasses.dataclass(frozen=True)
class _Evaluated:
    """A network with its decision, its predictions and the raw test rows."""

    data: Mapping[str, Any]  # manifests of data/scaled and models/network
    facts: Mapping[str, Any]
    raw: pd.DataFrame
    position: NDArray[np.int64]  # of the test rows in data/validated
    network: Any
    spec: NetworkSpec
    decision: Decision
    calibration: Calibration | None
    rows: Mapping[str, Rows]
    predictions: Mapping[str, Predictions]


def evaluate(
    workspace: Workspace,
    params: Params,
    looks_elsewhere: Callable[[str], Iterable[str]] = lambda rows: (),
) -> dict[str, dict[str, float]]:
    """Write models/decision and the reports of the model; return the metrics by split.

    `looks_elsewhere` gives what others have measured on test rows of a hash: see looks.py.

    Raises:
        SourceError: an artifact of an earlier stage is missing or damaged.
        ParamsError: a threshold or slice that does not fit the data.
    """
    data = read_manifest(workspace.scaled)
    facts = read_manifest(workspace.network)
    section = params.evaluate
    yardsticks = (
        section.baselines,
        workspace.scaled,
        workspace.network / NETWORK_SPEC,
        params.seed,
    )
    with fitting_baselines(*yardsticks, costs_of(section, data["classes"])) as baselines:
        prepare_torch(params.seed, facts.get("threads", 1))
        done = _predict_all(workspace, section, data, facts, params.scale)
        history = read_history(workspace.reports / "history.csv")
        results, test = _measure(workspace, params, done, history), done.predictions["test"]
        known = baselines()
    worth = compare_with_baselines(test, known, section, params.seed)
    named = {name: results.hashes[name] for name in ("network", "decision")}
    looks = note_look(workspace, looks_elsewhere, **named)
    results = dataclasses.replace(results, baselines=known, worth=worth, looks=looks)
    inputs = PlotInputs(
        history, facts["kept_epoch"], worst_rows(test), done.position, done.spec.classes
    )
    write_reports(workspace, results, test, inputs)
    return {split: dict(figures) for split, figures in results.metrics.items()}


def measure_model(workspace: Workspace, params: Params) -> dict[str, dict[str, float]]:
    """Write models/decision alone, without a report; return the metrics by split.

    Raises:
        SourceError, ParamsError: as `evaluate`.
    """
    data, facts = read_manifest(workspace.scaled), read_manifest(workspace.network)
    prepare_torch(params.seed, facts.get("threads", 1))
    return _all_metrics(params, _predict_all(workspace, params.evaluate, data, facts, params.scale))


def _predict_all(
    workspace: Workspace,
    section: EvaluateSection,
    data: Mapping[str, Any],
    facts: Mapping[str, Any],
    scale: ScaleSection,
) -> _Evaluated:
    position = np.load(workspace.scaled / "test_row.npy", allow_pickle=False)
    read_manifest(workspace.validated)
    raw = read_table(workspace.validated).iloc[position]
    network, spec = load_network(workspace.network)
    rows = {split: load_rows(workspace.scaled, split) for split in SPLITS}
    held = read_held_out(workspace.network, network, rows)
    decision, calibration = _decide(workspace, held, spec, section, data, facts.get("members", ()))
    found = {"train": predict_rows(network, spec, rows["train"], decision)}
    found["valid"] = decide_rows(held, spec, decision)
    found["test"] = predict_rows(network, spec, rows["test"], decision)
    ids = np.load(workspace.scaled / "test_id.npy", allow_pickle=False)
    found["test"] = dataclasses.replace(found["test"], groups=observation_groups(ids, raw, scale))
    return _Evaluated(data, facts, raw, position, network, spec, decision, calibration, rows, found)


def _decide(
    workspace: Workspace,
    held: HeldOut,
    spec: NetworkSpec,
    section: EvaluateSection,
    data: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]],
) -> tuple[Decision, Calibration | None]:
    """Fit the decision on rows held out and write models/decision."""
    decision, calibration = choose_decision(held, spec, section)
    if (regions := section.regions) is not None:
        decision = with_conformal(held, spec, decision, regions, data, members)
    about = {"calibration": None if calibration is None else dataclasses.asdict(calibration)}
    with replace_folder(workspace.decision, about) as folder:
        write_decision(folder, decision, spec.classes)
    return decision, calibration


def _measure(
    workspace: Workspace, params: Params, done: _Evaluated, history: list[dict[str, float]]
) -> EvaluationResults:
    """Everything but the baselines, which are fitted in parallel."""
    section, seed, test = params.evaluate, params.seed, done.predictions["test"]
    metrics, classes = _all_metrics(params, done), done.spec.classes
    forgetting = judge_forgetting(workspace.network, section, seed)
    metrics |= {} if forgetting is None else forgetting.metrics
    figure, importance = _importance(done, section, seed)
    is_multilabel, kept = done.spec.task == "multilabel", done.facts["kept_epoch"]
    guessing = constant_guess(params.train.loss, done.rows, classes, is_multilabel=is_multilabel)
    diagnosis = diagnose(history, kept, params.train.epochs, guessing)
    if stopped := done.facts.get("stopped"):
        diagnosis += f" Training ended early: {stopped}."
    if len(test.levels) > 1:
        diagnosis = f"{describe_interval(test.levels, metrics['test'])} {diagnosis}"
    return EvaluationResults(
        params=params,
        data=done.data,
        metrics=metrics,
        intervals=all_intervals(metrics["test"], test, classes, section, seed),
        classes=[] if classes is None else measure_classes(test, classes, section, seed),
        decision=done.decision,
        calibration=done.calibration,
        slices=measure_slices(done.raw, test, section, seed),
        coverage=measure_coverage(done.raw, test, section, seed),
        importance_of=figure,
        importance=importance,
        baselines=(),
        worth="",
        diagnosis=diagnosis,
        worst_predictions=tabulate_worst(test, worst_rows(test), classes, done.position, done.raw),
        hashes=_hashes(workspace, done.data, done.facts),
        network=str(done.network),
        members=done.facts.get("members", ()),
        distilled=done.facts.get("distilled"),
        forgetting=forgetting,
        sweeps=sweep_columns(done.network, params.train, done.data, done.rows["test"]),
    )


def _all_metrics(params: Params, done: _Evaluated) -> dict[str, dict[str, float]]:
    """By split: the metrics of the task, and the user's own."""
    own, classes = params.evaluate.metrics, done.spec.classes
    return {
        split: {**measure(found), **measure_own(own, split, found, classes)}
        for split, found in done.predictions.items()
    }


def _hashes(
    workspace: Workspace, data: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, str]:
    decision = read_manifest(workspace.decision)["files"][DECISION]["sha256"]
    named = {f"raw data: {name}": digest for name, digest in data["raw_sha256"].items()}
    splits = {
        f"{split} rows": data["files"][f"{split}_x.npy"]["sha256"]
        for split in SPLITS
        if f"{split}_x.npy" in data["files"]
    }
    weights = facts["files"][NETWORK_WEIGHTS]["sha256"]
    return {"network": weights, "decision": decision, **splits, **named}


def _importance(
    done: _Evaluated, section: EvaluateSection, seed: int
) -> tuple[str, list[Importance]]:
    """Permutation importance of a table's columns; not of images."""
    features, test = done.data.get("features"), done.rows["test"]
    if not section.importance_rows or not features or test.x.shape[1:] != (len(features),):
        return "", []

    plain = dataclasses.replace(done.decision, conformal=None)  # regions play no part in it

    def predicted(x: NDArray[np.float32], rows: NDArray[np.intp]) -> Predictions:
        at = torch.from_numpy(rows)
        actual = None if test.actual is None else test.actual[at]
        part = Rows(torch.from_numpy(x), test.y[at], actual=actual)
        return predict_rows(done.network, done.spec, part, plain)

    return permutation_importance(
        test.x.numpy(),
        group_features(features, list(done.raw.columns)),
        predicted,
        n_rows=section.importance_rows,
        seed=seed,
    )
