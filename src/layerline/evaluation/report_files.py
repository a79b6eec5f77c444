"""What evaluate writes into reports/: figures, predictions, plots with their numbers, the card."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import Workspace, replace_file, replace_folder, write_json, write_text
from layerline.evaluation import curves, plots
from layerline.evaluation.card import write_card
from layerline.evaluation.prediction_table import record
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.rendering import to_html, to_markdown
from layerline.evaluation.results import Findings
from layerline.tables.storage import read_images
from layerline.text import readable


@dataclasses.dataclass(frozen=True)
class Sheet:
    """What the plots need besides the test predictions.

    `mistakes` are positions in the test rows, `rows` (B,) their positions in data/validated.
    """

    history: Sequence[dict[str, float]]
    kept_epoch: int
    mistakes: NDArray[np.intp]
    rows: NDArray[np.int64]
    classes: tuple[Any, ...] | None


def report(workspace: Workspace, found: Findings, test: Predictions, sheet: Sheet) -> None:
    """Write all of it; each file whole or not at all."""
    reports = workspace.reports
    write_json(reports / "metrics.json", found.metrics)
    write_json(reports / "evaluation.json", found.to_json())
    ids = np.load(workspace.scaled / "test_id.npy", allow_pickle=False)
    record(workspace.predictions, ids, test, sheet.classes, found.hashes["network"])
    with replace_file(reports / "errors.csv") as temporary:
        found.mistakes.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    with replace_folder(workspace.plots, {}) as folder:
        _draw(folder, test, found.data["target"], sheet)
        if found.data["kind"] == "images" and len(sheet.mistakes):
            _draw_mistakes(folder, test, sheet, workspace.validated)
    card = write_card(found, workspace.plots)
    write_text(reports / "model_card.md", to_markdown(card))
    write_text(reports / "model_card.html", to_html(f"{found.params.project}: model card", card))


# dvc.yaml names them whatever the task, and DVC complains of a file that is not there.
_CURVES = {
    "roc": ("false_positive_rate", "true_positive_rate"),
    "pr": ("recall", "precision"),
    "thresholds": ("threshold", "precision", "recall", "f1"),
    "calibration": ("predicted", "observed", "rows"),
    "deciles": ("decile", "predicted", "mae", "bias"),
}


def _draw(folder: Path, test: Predictions, target: str, sheet: Sheet) -> None:
    for name, columns in _CURVES.items():
        curves.write_curve(folder / f"{name}.csv", dict.fromkeys(columns, np.empty(0)))
    plots.plot_learning_curves(folder / "learning_curves.png", sheet.history, sheet.kept_epoch)
    plots.write_predictions(folder / "predictions.csv", test, sheet.classes)
    if sheet.classes is None:
        deciles = curves.decile_curve(test)
        plots.plot_residuals(folder / "residuals.png", test, deciles, target)
        curves.write_curve(folder / "deciles.csv", deciles)
        return
    plots.plot_confusion(folder / "confusion.png", test, sheet.classes)
    roc, pr = curves.ranking_curves(test)
    thresholds, calibration = curves.threshold_curve(test), curves.calibration_curve(test)
    plots.plot_ranking(folder / "curves.png", roc, pr, thresholds, calibration)
    named = {"roc": roc, "pr": pr, "thresholds": thresholds, "calibration": calibration}
    for name, curve in named.items():
        curves.write_curve(folder / f"{name}.csv", curve)


def _draw_mistakes(folder: Path, test: Predictions, sheet: Sheet, validated: Path) -> None:
    classes = sheet.classes
    images = np.asarray(read_images(validated)[sheet.rows[sheet.mistakes]])
    part = test.take(sheet.mistakes)
    captions = []
    for row, (actual, predicted) in enumerate(zip(part.actual, part.predicted, strict=True)):
        if classes is None or part.probabilities is None:
            captions.append(f"{readable(actual)}, not {readable(predicted)}")
        else:
            share = part.probabilities[row, int(predicted)]
            captions.append(f"{classes[int(actual)]}, not {classes[int(predicted)]} ({share:.0%})")
    plots.plot_mistakes(folder / "mistakes.png", images, captions)
