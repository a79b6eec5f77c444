"""Writes the files in reports/: metrics, predictions, plots with their numbers, model card."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import Workspace, replace_file, replace_folder, write_json, write_text
from layerline.evaluation import curves, plots
from layerline.evaluation.evaluation_results import EvaluationResults
from layerline.evaluation.model_card import model_card
from layerline.evaluation.prediction_table import record
from layerline.evaluation.predictions import Predictions
from layerline.rendering.templates import render_html, render_markdown
from layerline.tables.storage import read_images
from layerline.text import readable


@dataclasses.dataclass(frozen=True)
class PlotInputs:
    """What the plots need besides the test predictions.

    `worst` are positions in the test rows, `rows` (B,) positions of the test rows in
    data/validated.
    """

    history: Sequence[dict[str, float]]
    kept_epoch: int
    worst: NDArray[np.intp]
    rows: NDArray[np.int64]
    classes: tuple[Any, ...] | None


def write_reports(
    workspace: Workspace, results: EvaluationResults, test: Predictions, inputs: PlotInputs
) -> None:
    """Write all of them, each atomically."""
    reports = workspace.reports
    write_json(reports / "metrics.json", results.metrics)
    write_json(reports / "evaluation.json", results.to_json())
    ids = np.load(workspace.scaled / "test_id.npy", allow_pickle=False)
    record(workspace.predictions, ids, test, inputs.classes, results.hashes["network"])
    with replace_file(reports / "errors.csv") as temporary:
        results.worst_predictions.to_csv(
            temporary, index=False, float_format="%.6g", lineterminator="\n"
        )
    with replace_folder(workspace.plots, {}) as folder:
        _draw(folder, test, results.data["target"], inputs)
        if results.data["kind"] == "images" and len(inputs.worst):
            _draw_worst(folder, test, inputs, workspace.validated)
    card = model_card(results, workspace.plots)
    title = f"{results.params.project}: model card"
    write_text(reports / "model_card.md", render_markdown(card))
    write_text(reports / "model_card.html", render_html(title, card))


# dvc.yaml lists these for every task, and DVC reports missing files.
_CURVES = {
    "roc": ("false_positive_rate", "true_positive_rate"),
    "pr": ("recall", "precision"),
    "thresholds": ("threshold", "precision", "recall", "f1"),
    "calibration": ("predicted", "observed", "rows"),
    "deciles": ("decile", "predicted", "mae", "bias"),
}


def _draw(folder: Path, test: Predictions, target: str, inputs: PlotInputs) -> None:
    for name, columns in _CURVES.items():
        curves.write_curve(folder / f"{name}.csv", dict.fromkeys(columns, np.empty(0)))
    plots.plot_learning_curves(folder / "learning_curves.png", inputs.history, inputs.kept_epoch)
    if test.targets:
        _draw_targets(folder, test)
        return
    plots.write_predictions(folder / "predictions.csv", test, inputs.classes)
    if inputs.classes is None:
        deciles = curves.decile_curve(test)
        plots.plot_residuals(folder / "residuals.png", test, deciles, target)
        curves.write_curve(folder / "deciles.csv", deciles)
        return
    plots.plot_confusion(folder / "confusion.png", test, inputs.classes)
    roc, pr = curves.ranking_curves(test)
    thresholds, calibration = curves.threshold_curve(test), curves.calibration_curve(test)
    plots.plot_ranking(folder / "curves.png", roc, pr, thresholds, calibration)
    named = {"roc": roc, "pr": pr, "thresholds": thresholds, "calibration": calibration}
    for name, curve in named.items():
        curves.write_curve(folder / f"{name}.csv", curve)


def _draw_targets(folder: Path, test: Predictions) -> None:
    """A figure of each of several targets; the tables that DVC draws are of one target."""
    plots.write_pairs(folder / "predictions.csv", [], [])
    for number, (target, part) in enumerate(zip(test.targets, test.parts, strict=True)):
        place = folder / f"target_{number + 1}.png"
        if target.levels is None:
            plots.plot_residuals(place, part, curves.decile_curve(part), target.name)
            continue
        roc, pr = curves.ranking_curves(part)
        thresholds, calibration = curves.threshold_curve(part), curves.calibration_curve(part)
        plots.plot_ranking(place, roc, pr, thresholds, calibration)


def _draw_worst(folder: Path, test: Predictions, inputs: PlotInputs, validated: Path) -> None:
    classes = inputs.classes
    images = np.asarray(read_images(validated)[inputs.rows[inputs.worst]])
    part = test.take(inputs.worst)
    captions = []
    for row, (actual, predicted) in enumerate(zip(part.actual, part.predicted, strict=True)):
        if classes is None or part.probabilities is None:
            captions.append(f"{readable(actual)}, not {readable(predicted)}")
        else:
            share = part.probabilities[row, int(predicted)]
            captions.append(f"{classes[int(actual)]}, not {classes[int(predicted)]} ({share:.0%})")
    plots.plot_mistakes(folder / "mistakes.png", images, captions)
