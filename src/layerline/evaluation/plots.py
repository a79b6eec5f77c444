"""Plots as PNG, and predictions as CSV for `dvc plots`.

Drawn without pyplot: no window system, no global state, equal bytes for equal data.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from layerline.evaluation.curves import Curve, confusion_counts, tenths_of
from layerline.evaluation.predictions import Predictions

_COLOURS = {"train": "#4c72b0", "valid": "#dd8452", "test": "#55a868"}
_MAX_CLASSES_WITH_COUNTS = 20
_MAX_POINTS = 5000


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def _plain(text: object) -> str:
    """Text without mathematics: matplotlib would parse what is between two $."""
    return str(text).replace("$", r"\$")


def _figure(title: str, width: float = 6.4) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def plot_learning_curves(path: Path, history: Sequence[Mapping[str, float]], kept: int) -> None:
    """Training and validation loss by epoch; a line marks the epoch of the kept weights."""
    figure, axes = _figure("Learning curves")
    epochs = [row["epoch"] for row in history]
    for split in ("train", "valid"):
        losses = [row[f"{split}_loss"] for row in history]
        axes.plot(epochs, losses, label=f"{split} loss", color=_COLOURS[split])
    axes.axvline(kept, color="grey", linestyle=":", label=f"kept: epoch {kept}")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.locator_params(axis="x", integer=True)
    axes.legend()
    _save(figure, path)


def plot_confusion(path: Path, predictions: Predictions, classes: Sequence[Any]) -> None:
    """Test rows by true and predicted class, coloured by share of the true class."""
    counts = confusion_counts(predictions, len(classes))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure("Confusion matrix, test rows", width=6.0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class")
    ticks = np.arange(len(classes))
    names = [_plain(name) for name in classes]
    axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="actual")
    if len(classes) <= _MAX_CLASSES_WITH_COUNTS:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(
                column, row, counts[row, column], ha="center", va="center", color=colour, size=8
            )
    _save(figure, path)


def plot_ranking(path: Path, roc: Curve, pr: Curve, thresholds: Curve, calibration: Curve) -> None:
    """ROC, precision and recall, scores by threshold, and calibration in one figure."""
    figure = Figure(figsize=(9.6, 8.0), dpi=100, layout="constrained")
    (left, right), (lower_left, lower_right) = figure.subplots(2, 2)
    blue, orange, green = _COLOURS.values()
    diagonal = {"color": "grey", "linestyle": ":"}
    left.plot(roc["false_positive_rate"], roc["true_positive_rate"], color=blue)
    left.plot([0, 1], [0, 1], **diagonal)
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    right.plot(pr["recall"], pr["precision"], color=blue)
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(0, 1.03))
    for name, colour in zip(("precision", "recall", "f1"), (blue, orange, green), strict=True):
        lower_left.plot(thresholds["threshold"], thresholds[name], label=name, color=colour)
    lower_left.set(xlabel="threshold", ylim=(0, 1.03), title="By threshold")
    lower_left.legend()
    sizes = 12 + 150 * calibration["rows"] / max(calibration["rows"].sum(), 1)
    lower_right.plot([0, 1], [0, 1], **diagonal)
    lower_right.plot(calibration["predicted"], calibration["observed"], color=blue, linewidth=1)
    lower_right.scatter(calibration["predicted"], calibration["observed"], s=sizes, color=blue)
    lower_right.set(xlabel="predicted", ylabel="observed", title="Calibration (size: rows)")
    _save(figure, path)


def plot_residuals(path: Path, predictions: Predictions, deciles: Curve, target: str) -> None:
    """Predicted by actual value, residual by prediction, and error by decile."""
    step = max(1, len(predictions.actual) // _MAX_POINTS)
    actual, predicted = predictions.actual[::step], predictions.predicted[::step]
    figure = Figure(figsize=(13.2, 4.4), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    style = {"s": 8, "alpha": 0.6, "color": _COLOURS["test"], "linewidths": 0}
    left.scatter(actual, predicted, **style)
    ends = [float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))]
    left.plot(ends, ends, color="grey", linestyle=":")
    target = _plain(target)
    left.set(xlabel=f"actual {target}", ylabel=f"predicted {target}", title="Test rows")
    middle.scatter(predicted, actual - predicted, **style)
    middle.axhline(0, color="grey", linestyle=":")
    middle.set(xlabel=f"predicted {target}", ylabel="actual - predicted", title="Residuals")
    for axes in (left, middle):
        axes.locator_params(axis="x", nbins=5)  # large numbers would overlap
    right.bar(deciles["decile"], deciles["mae"], color=_COLOURS["train"], label="mean absolute")
    right.plot(deciles["decile"], deciles["bias"], "o-", color=_COLOURS["valid"], label="mean")
    right.axhline(0, color="grey", linestyle=":")
    right.set(xlabel="decile of the predictions", ylabel="error", title="Error by decile")
    right.legend()
    _save(figure, path)


def plot_mistakes(path: Path, images: NDArray[np.uint8], captions: Sequence[str]) -> None:
    """The most confident mistakes as images, each with its true and predicted class."""
    columns = 5
    n_rows = -(-len(images) // columns)
    figure = Figure(figsize=(7.5, 1.75 * n_rows + 0.2), dpi=100, layout="constrained")
    for axes in figure.subplots(n_rows, columns, squeeze=False).ravel():
        axes.axis("off")
    for axes, image, caption in zip(figure.axes, images, captions, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(_plain(caption), size=8)
    _save(figure, path)


def write_predictions(path: Path, predictions: Predictions, classes: Sequence[Any] | None) -> None:
    """Test rows as CSV with columns `actual` and `predicted`, which DVC draws as a matrix.

    Classes by name; numbers by the decile of the actual values.
    """
    if classes is None:
        names, actual, predicted = tenths_of(predictions)
    else:
        names = list(map(str, classes))
        actual, predicted = (
            part.astype(np.intp) for part in (predictions.actual, predictions.predicted)
        )
    write_pairs(path, [names[a] for a in actual], [names[b] for b in predicted])


def write_pairs(path: Path, actual: Sequence[str], predicted: Sequence[str]) -> None:
    """The names of true and predicted values of each row, as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["actual", "predicted"])
        writer.writerows(zip(actual, predicted, strict=True))
