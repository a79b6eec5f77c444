"""Plots as PNG (to look at) and CSV (for `dvc plots diff`).

Figures are drawn without pyplot: no window system, no global state, equal bytes for equal data.
"""

import csv
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from layerline.evaluation.predictions import Predictions

_COLOURS = {"train": "#4c72b0", "valid": "#dd8452", "test": "#55a868"}
_MOST_CLASSES_WITH_NUMBERS = 20
_MOST_POINTS = 5000


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def _plain(text: object) -> str:
    """Text as it stands: matplotlib would read what is between two $ as mathematics."""
    return str(text).replace("$", r"\$")


def _figure(title: str, width: float = 6.4) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def plot_learning_curves(path: Path, history: Sequence[Mapping[str, float]], kept: int) -> None:
    """Train and validation loss by epoch; a line marks the epoch whose weights were kept."""
    figure, axes = _figure("Learning curves")
    epochs = [row["epoch"] for row in history]
    for split in ("train", "valid"):
        losses = [row[f"{split}_loss"] for row in history]
        axes.plot(epochs, losses, label=f"{split} loss", color=_COLOURS[split])
    axes.axvline(kept, color="grey", linestyle=":", label=f"kept: epoch {kept}")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    _save(figure, path)


def plot_confusion(path: Path, predictions: Predictions, classes: Sequence[Any]) -> None:
    """Test rows by true and predicted class; colour is the share of the true class."""
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
    if len(classes) <= _MOST_CLASSES_WITH_NUMBERS:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(
                column, row, counts[row, column], ha="center", va="center", color=colour, size=8
            )
    _save(figure, path)


def confusion_counts(predictions: Predictions, n_classes: int) -> NDArray[np.int64]:
    """(K, K) rows by true class, columns by predicted class."""
    pairs = predictions.actual.astype(int) * n_classes + predictions.predicted.astype(int)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def plot_residuals(path: Path, predictions: Predictions, target: str) -> None:
    """Predicted against actual, and the residual against the prediction, in the user's unit."""
    step = max(1, len(predictions.actual) // _MOST_POINTS)
    actual, predicted = predictions.actual[::step], predictions.predicted[::step]
    figure = Figure(figsize=(9.6, 4.8), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    style = {"s": 8, "alpha": 0.6, "color": _COLOURS["test"], "linewidths": 0}
    left.scatter(actual, predicted, **style)
    ends = [float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))]
    left.plot(ends, ends, color="grey", linestyle=":")
    target = _plain(target)
    left.set(xlabel=f"actual {target}", ylabel=f"predicted {target}", title="Test rows")
    right.scatter(predicted, actual - predicted, **style)
    right.axhline(0, color="grey", linestyle=":")
    right.set(xlabel=f"predicted {target}", ylabel="actual - predicted", title="Residuals")
    _save(figure, path)


def write_predictions(path: Path, predictions: Predictions, classes: Sequence[Any] | None) -> None:
    """Test rows as CSV with the columns `actual` and `predicted`, which DVC draws as a matrix.

    Classes go by their names; numbers by the tenth of the actual values they fall in.
    """
    actual: NDArray[np.intp]
    predicted: NDArray[np.intp]
    if classes is None:
        names = _tenths(predictions.actual)
        edges = np.quantile(predictions.actual, np.linspace(0.1, 0.9, 9))
        actual = np.searchsorted(edges, predictions.actual, side="right")
        predicted = np.searchsorted(edges, predictions.predicted, side="right")
    else:
        names = list(map(str, classes))
        actual, predicted = (
            part.astype(np.int64) for part in (predictions.actual, predictions.predicted)
        )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["actual", "predicted"])
        writer.writerows((names[a], names[b]) for a, b in zip(actual, predicted, strict=True))


def _tenths(actual: NDArray[Any]) -> list[str]:
    ends = np.quantile(actual, np.linspace(0, 1, 11))
    return [f"{k}: {low:.4g} to {high:.4g}" for k, (low, high) in enumerate(pairwise(ends))]
