"""What a comparison leaves: table, verdicts, plots and page, in reports/studies/NAME."""

import csv
import dataclasses
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layerline.artifacts import replace_folder, write_json, write_text
from layerline.rendering.plot_colours import COLOURS, STROKES
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Picture, Points, Table
from layerline.rendering.templates import render_html, render_markdown
from layerline.studies.comparison import CURVES, ROWS, Cell, Comparison
from layerline.studies.learning_curve import fit_power_law
from layerline.studies.means import Mean, mean_of

_DPI = 110


class VariantSummary(NamedTuple):
    """A variant over its seeds; `gain` is paired with the first variant, above 0 is better."""

    name: str
    value: Mean | None  # None: no training of it ended
    train_value: Mean | None
    gain: Mean | None  # None for the first variant
    seconds: float
    epochs: float
    n_diverged: int

    def to_json(self) -> dict[str, Any]:
        shown = self._asdict()
        for key in ("value", "train_value", "gain"):
            shown[key] = None if shown[key] is None else shown[key].to_json()
        for key in ("seconds", "epochs"):
            shown[key] = None if math.isnan(shown[key]) else shown[key]
        return shown


def summarise(comparison: Comparison) -> list[VariantSummary]:
    """Every variant, in the file's order."""
    first, *_ = comparison.section.variants
    return [_summary(comparison, name, first) for name in comparison.section.variants]


def _summary(comparison: Comparison, name: str, first: str) -> VariantSummary:
    cells = comparison.of(name)
    done = [cell for cell in cells if cell.value is not None]
    gains = []
    sign = -1.0 if comparison.objective.is_lower_better else 1.0
    for cell, reference in zip(cells, comparison.of(first), strict=True):
        if cell.value is not None and reference.value is not None:
            gains.append(sign * (cell.value - reference.value))
    return VariantSummary(
        name,
        mean_of([cell.value for cell in done if cell.value is not None]) if done else None,
        mean_of([c.train_value for c in done if c.train_value is not None]) if done else None,
        None if name == first or not gains else mean_of(gains),
        statistics.fmean(cell.seconds for cell in done) if done else math.nan,
        statistics.fmean(len(cell.curves["valid_loss"]) for cell in done) if done else math.nan,
        len(cells) - len(done),
    )


def verdict(summary: VariantSummary, first: str) -> str:
    """What the interval of the paired difference allows to say."""
    if summary.value is None:
        return f"**{summary.name}**: every training diverged."
    if summary.gain is None:
        return f"**{summary.name}** is what the others are compared with."
    gain = summary.gain
    if math.isnan(gain.half):
        return f"**{summary.name}**: one seed cannot tell it from {first}."
    if not gain.is_sure:
        return f"**{summary.name}**: no difference from {first} seen ({gain})."
    word = "better" if gain.mean > 0 else "worse"
    return f"**{summary.name}**: {word} than {first} by {abs(gain.mean):.4f} ± {gain.half:.4f}."


def twice_the_rows(comparison: Comparison) -> str:
    """What the learning curve says of twice the rows; empty if the variants are no such curve."""
    sizes = [values.get(ROWS) for values in comparison.section.variants.values()]
    means = [each.value.mean for each in summarise(comparison) if each.value is not None]
    if None in sizes or len(means) < len(sizes):
        return ""
    name = comparison.objective.name.rpartition(".")[2]
    errors = means if comparison.objective.is_lower_better else [1 - mean for mean in means]
    law = fit_power_law([float(size or 0) for size in sizes], errors)
    if law is None:
        return ""
    most = float(max(size or 0 for size in sizes))
    now, then = law.error(most), law.error(2 * most)
    if not comparison.objective.is_lower_better:
        now, then = 1 - now, 1 - then
    # The law's own value, as the measured one lies beside the curve.
    return (
        f"Extrapolated: with {2 * most:,.0f} train rows {name} would be about {then:.4f}, "
        f"{abs(then - now):.4f} better than the {now:.4f} that the fitted law has with {most:,.0f}."
    )


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Header, and a row for each variant."""
    name = comparison.objective.name
    is_of_valid = name.startswith("valid.")
    train = [name.replace("valid.", "train.")] if is_of_valid else []
    header = ["variant", name, *train, "gain", "seconds", "epochs", "diverged"]
    rows = []
    for each in summarise(comparison):
        cells = [each.name, _shown(each.value)]
        cells += [_shown(each.train_value)] if is_of_valid else []
        times = ["–", "–"] if each.value is None else [f"{each.seconds:.2f}", f"{each.epochs:.0f}"]
        cells += [_shown(each.gain), *times]
        rows.append([*cells, str(each.n_diverged or "")])
    return header, rows


def _shown(mean: Mean | None) -> str:
    return "–" if mean is None else str(mean)


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write comparison.json, cells.csv, study.md, study.html and plots/, all or none."""
    with replace_folder(folder, {}) as temporary:
        found = [summary.to_json() for summary in summarise(comparison)]
        write_json(temporary / "comparison.json", _about(comparison) | {"variants": found})
        _write_cells(temporary / "cells.csv", comparison)
        (temporary / "plots").mkdir()
        blocks = _blocks(comparison, temporary / "plots")
        write_text(temporary / "study.md", render_markdown(blocks))
        write_text(temporary / "study.html", render_html(comparison.section.question, blocks))


def _about(comparison: Comparison) -> dict[str, Any]:
    return {
        "name": comparison.name,
        "project": comparison.project,
        "question": comparison.section.question,
        "objective": comparison.objective.name,
        "direction": comparison.objective.direction,
        "seeds": len({cell.seed for cell in comparison.cells}),
    }


def _write_cells(path: Path, comparison: Comparison) -> None:
    columns = [f.name for f in dataclasses.fields(Cell) if f.name != "curves"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for cell in comparison.cells:
            writer.writerow([getattr(cell, column) for column in columns])


def _blocks(comparison: Comparison, plots: Path) -> list[Block]:
    about = _about(comparison)
    first, *_ = comparison.section.variants
    values, curves = plots / "values.png", plots / "curves.png"
    _draw_values(values, comparison)
    _draw_curves(curves, comparison)
    text = (
        f"{comparison.project}, {about['objective']}: means of {about['seeds']} seeds with the "
        f"95 % interval of the mean. Gains are paired, seed by seed, with {first}; above 0 is "
        "better. Each interval stands for itself: of twenty variants that do nothing, one would "
        "look different."
    )
    return [
        Heading(comparison.section.question, 1),
        Table(*table(comparison)),
        Points([verdict(each, first) for each in summarise(comparison)]),
        Paragraph(f"{twice_the_rows(comparison)} {text}".strip()),
        Picture(values, "plots/values.png", f"{about['objective']} of each variant"),
        Picture(curves, "plots/curves.png", "Loss and error by epoch, mean of the seeds"),
    ]


def _draw_values(path: Path, comparison: Comparison) -> None:
    summaries = [each for each in summarise(comparison) if each.value is not None]
    is_numeric = comparison.section.numbers is not None
    if is_numeric:
        summaries.sort(key=lambda each: float(each.name))
    names = [each.name for each in summaries]
    at: Sequence[float] = [float(n) for n in names] if is_numeric else range(len(names))
    figure = Figure(figsize=(6.8, 4.2), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for label, colour, chosen in (
        ("validation rows", COLOURS[0], [each.value for each in summaries]),
        ("train rows", COLOURS[1], [each.train_value for each in summaries]),
    ):
        means = [mean.mean if mean else math.nan for mean in chosen]
        halves = [0.0 if not mean or math.isnan(mean.half) else mean.half for mean in chosen]
        style = "o-" if is_numeric else "o"
        axes.errorbar(at, means, halves, fmt=style, color=colour, capsize=3, label=label)
    if is_numeric and min(at) > 0 and max(at) / min(at) >= 20:
        axes.set_xscale("log")
    if is_numeric:
        axes.set_xlabel(comparison.section.numbers or "")
        axes.set_xticks(list(at), names)
        axes.set_xticks([], minor=True)
    else:
        axes.set_xticks(list(at), names, rotation=20 if len(names) > 4 else 0)
    axes.set_ylabel(comparison.objective.name.rpartition(".")[2])
    axes.legend()
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def _draw_curves(path: Path, comparison: Comparison) -> None:
    figure = Figure(figsize=(11.4, 3.8), dpi=_DPI, layout="constrained")
    panels = figure.subplots(1, len(CURVES), sharex=True)
    for axes, curve in zip(panels, CURVES, strict=True):
        for number, name in enumerate(comparison.section.variants):
            mean = _mean_curve([cell.curves[curve] for cell in comparison.of(name)])
            if len(mean):
                epochs = np.arange(1, len(mean) + 1)
                colour, stroke = COLOURS[number % len(COLOURS)], STROKES[number % len(STROKES)]
                axes.plot(epochs, mean, color=colour, linestyle=stroke, label=name)
        scale = "log" if curve.endswith("loss") else "linear"
        axes.set(xlabel="epoch", title=curve.replace("_", " "), yscale=scale)
    panels[-1].legend(fontsize="small")
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def _mean_curve(curves: Sequence[Sequence[float]]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The mean over those seeds that still trained."""
    longest = max(map(len, curves), default=0)
    padded = np.full((len(curves), longest), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    found: np.ndarray[Any, np.dtype[np.float64]] = np.nanmean(padded, axis=0)
    return found
