"""The evaluate stage's work: figures, plots and the model card."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from layerline.artifacts import (
    NETWORK_WEIGHTS,
    Workspace,
    read_manifest,
    replace_folder,
    write_json,
    write_text,
)
from layerline.config import EvaluateSection, Params
from layerline.data.preprocessing.targets import read_curve
from layerline.evaluation import plots
from layerline.evaluation.card import describe_interval, diagnose, write_card
from layerline.evaluation.comparison import metric_intervals
from layerline.evaluation.deciding import Calibration, decide, decide_plainly
from layerline.evaluation.decision import PLAIN, Decision, write_decision
from layerline.evaluation.metrics import measure
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.recording import record
from layerline.networks.files import NetworkSpec, load_network
from layerline.training.device import prepare_torch
from layerline.training.objectives import read_link
from layerline.training.predicting import predict
from layerline.training.rows import SPLITS, Rows, load_rows


def evaluate(workspace: Workspace, params: Params) -> dict[str, dict[str, float]]:
    """Write the figures, predictions, plots and model card into reports/; return the figures.

    Raises:
        SourceError: an artifact of an earlier stage is missing or damaged.
    """
    data = read_manifest(workspace.scaled)
    network_facts = read_manifest(workspace.network)
    prepare_torch(params.seed, network_facts.get("threads", 1))
    network, spec = load_network(workspace.network)
    rows = {split: load_rows(workspace.scaled, split) for split in SPLITS}
    decision = _decide(workspace, network, spec, rows["valid"], params.evaluate)
    found = {split: predict_rows(network, spec, rows[split], decision) for split in SPLITS}
    metrics = {split: measure(predictions) for split, predictions in found.items()}
    section, test = params.evaluate, found["test"]
    intervals = metric_intervals(test, section.bootstrap, section.confidence, params.seed)
    history = read_history(workspace.reports / "history.csv")
    kept = network_facts["kept_epoch"]
    write_json(workspace.reports / "metrics.json", metrics)
    ids = np.load(workspace.scaled / "test_id.npy", allow_pickle=False)
    weights = network_facts["files"][NETWORK_WEIGHTS]["sha256"]
    record(workspace.predictions, ids, test, spec.classes, weights)
    with replace_folder(workspace.plots, {}) as folder:
        _draw(folder, test, spec, data["target"], history, kept)
    diagnosis = diagnose(history, kept, params.train.epochs)
    if len(test.levels) > 1:
        diagnosis = f"{describe_interval(test.levels, metrics['test'])}\n\n{diagnosis}"
    card = write_card(params, data, metrics, intervals, diagnosis, str(network))
    write_text(workspace.reports / "model_card.md", card)
    return metrics


def _decide(
    workspace: Workspace, network: Any, spec: NetworkSpec, valid: Rows, section: EvaluateSection
) -> Decision:
    """Fit the decision on the validation rows and write models/decision."""
    calibration: Calibration | None = None
    if spec.classes is None:
        decision = decide_plainly(section)
    else:
        logits = predict(network, valid.x).numpy()
        decision, calibration = decide(logits, valid.y.numpy(), spec.classes, section)
    about = {"calibration": None if calibration is None else dataclasses.asdict(calibration)}
    with replace_folder(workspace.decision, about) as folder:
        write_decision(folder, decision, spec.classes)
    return decision


def predict_rows(
    network: Any, spec: NetworkSpec, rows: Rows, decision: Decision = PLAIN
) -> Predictions:
    """What the network predicts for the rows of a split, in the user's unit."""
    outputs = predict(network, rows.x).numpy()
    if spec.classes is not None:
        return decision.classify(outputs, rows.y.numpy())
    if rows.actual is not None:
        actual = rows.actual.numpy()
    else:
        actual = rows.y.numpy().astype(np.float64) * spec.target_scale + spec.target_center
    link = read_link(spec.link)
    standardised = link.numbers(outputs, spec.target_center, spec.target_scale)
    numbers = read_curve(spec.target_curve).restore(standardised)
    return Predictions(
        actual,
        numbers[:, link.middle],
        quantiles=numbers if link.levels else None,
        levels=link.levels,
    )


def read_history(path: Path) -> list[dict[str, float]]:
    """reports/history.csv as one mapping an epoch."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _draw(
    folder: Path,
    test: Predictions,
    spec: NetworkSpec,
    target: str,
    history: list[dict[str, float]],
    kept: int,
) -> None:
    plots.plot_learning_curves(folder / "learning_curves.png", history, kept)
    if spec.classes is None:
        plots.plot_residuals(folder / "residuals.png", test, target)
    else:
        plots.plot_confusion(folder / "confusion.png", test, spec.classes)
    plots.write_predictions(folder / "predictions.csv", test, spec.classes)
