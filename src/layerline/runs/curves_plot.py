"""The learning curves of several runs in one PNG: losses left, validation error right."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from layerline.rendering.plot_colours import COLOURS
from layerline.runs.compare import Comparison, Curves
from layerline.runs.param_differences import short_names
from layerline.runs.run import Run

_WIDTH, _PANEL_HEIGHT, _LEGEND_LINE = 11.0, 4.6, 0.26
_LONGEST_LABEL = 130
_SPREAD_FOR_LOG = 10.0
_DASHES = (0, (4, 2))


def draw_curves(path: Path, comparison: Comparison) -> None:
    """Draw train and validation loss and validation error by epoch, one colour a run."""
    labels = list(_labels(comparison))
    height = _PANEL_HEIGHT + _LEGEND_LINE * (len(labels) + 2)
    figure = Figure(figsize=(_WIDTH, height), dpi=120, layout="constrained")
    losses, errors = figure.subplots(1, 2)
    for number, (run, curves) in enumerate(zip(comparison.runs, comparison.curves, strict=True)):
        _draw_run(losses, errors, run, curves, COLOURS[number % len(COLOURS)], number)
    _dress(
        losses,
        "Loss",
        "loss",
        [c for name in ("train_loss", "valid_loss") for c in _values(comparison.curves, name)],
    )
    _dress(errors, "Validation error", _error_label(comparison), [])
    # Below both panels, where it covers no curve.
    figure.legend(
        handles=[*_run_handles(labels), *_style_handles()],
        loc="outside lower left",
        fontsize=10,
        frameon=False,
        handlelength=2.6,
    )
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def _draw_run(losses: Any, errors: Any, run: Run, curves: Curves, colour: str, number: int) -> None:
    style = {"color": colour, "linewidth": 1.8, "zorder": 3 + number}
    kept = run.tags.get("layerline.kept_epoch", "")
    kept_epoch = int(kept) if kept.isdigit() else None
    for axes, name in ((losses, "train_loss"), (losses, "valid_loss"), (errors, "valid_error")):
        points = curves.get(name, [])
        if not points:
            continue
        epochs, values = zip(*points, strict=True)
        if name == "train_loss":
            axes.plot(epochs, values, **style | {"linewidth": 1.3, "linestyle": _DASHES})
            continue
        # One epoch alone would be an invisible line.
        axes.plot(epochs, values, **style, marker="o" if len(points) == 1 else "")
        for epoch, value in points:
            if epoch == kept_epoch:
                axes.plot(
                    epoch,
                    value,
                    "o",
                    color=colour,
                    markeredgecolor="white",
                    markersize=8,
                    zorder=20 + number,
                )


def _values(curves: Iterable[Curves], name: str) -> list[float]:
    return [value for one in curves for _, value in one.get(name, [])]


def _dress(axes: Any, title: str, label: str, values: Sequence[float]) -> None:
    axes.set_title(title, fontsize=13)
    axes.set_xlabel("epoch", fontsize=11)
    axes.set_ylabel(label, fontsize=11)
    axes.tick_params(labelsize=10)
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    axes.xaxis.get_major_locator().set_params(integer=True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if values and min(values) > 0 and max(values) > _SPREAD_FOR_LOG * min(values):
        axes.set_yscale("log")
        axes.set_ylabel(f"{label} (log scale)", fontsize=11)
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if not axes.lines:
        axes.text(0.5, 0.5, "no epochs recorded", ha="center", transform=axes.transAxes)


def _error_label(comparison: Comparison) -> str:
    tested = {name for run in comparison.runs for name in run.metrics}
    kinds = {
        "1 − accuracy": "test_accuracy" in tested,
        "RMSE, standardised": "test_rmse" in tested,
    }
    labels = [kind for kind, is_there in kinds.items() if is_there]
    return labels[0] if len(labels) == 1 else "validation error"


def _labels(comparison: Comparison) -> Iterable[str]:
    """Each run with the params that make it another one than the first."""
    names = short_names({name for run in comparison.runs for name in run.params})
    for number, label in enumerate(comparison.labels):
        params = [
            f"{names[name]} {values[number]}"
            for name, values in comparison.params.items()
            if values[number] is not None
        ]
        text = f"{label}:  {', '.join(params)}" if params else label
        if not comparison.curves[number]:
            text = f"{label}:  no epochs recorded"
        yield _plain(text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…")


def _plain(text: str) -> str:
    """Text as it stands: matplotlib would read what is between two $ as mathematics."""
    return text.replace("$", r"\$")


def _run_handles(labels: Sequence[str]) -> list[Line2D]:
    return [
        Line2D([], [], color=COLOURS[number % len(COLOURS)], linewidth=2.4, label=label)
        for number, label in enumerate(labels)
    ]


def _style_handles() -> list[Line2D]:
    grey = "#555555"
    kept = Line2D([], [], color=grey, label="the epoch whose weights were kept", linestyle="")
    kept.set(marker="o", markersize=8, markeredgecolor="white")
    return [
        Line2D([], [], color=grey, linewidth=1.8, label="validation"),
        Line2D([], [], color=grey, linewidth=1.3, linestyle=_DASHES, label="training"),
        kept,
    ]
