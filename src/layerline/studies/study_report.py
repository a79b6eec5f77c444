"""A study's means with intervals: table, JSON and curve."""

import csv
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layerline.artifacts import replace_folder, write_json, write_text
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Picture, Table
from layerline.rendering.templates import render_html, render_markdown
from layerline.studies.means import CONFIDENCE, Mean, mean_of
from layerline.studies.trial import MODES, Cell

NAMES = {
    "scratch": "from scratch",
    "feature_extraction": "feature extraction",
    "fine_tune": "fine-tuning",
}
_COLOURS = {"scratch": "#4c72b0", "feature_extraction": "#dd8452", "fine_tune": "#55a868"}


@dataclasses.dataclass(frozen=True)
class Study:
    """The test metric of every cell."""

    project: str
    source: str
    figure: str
    unit: str  # of sizes: rows a class, or rows
    n_steps: int
    figures: Mapping[Cell, float]

    @property
    def sizes(self) -> list[int]:
        return sorted({cell.size for cell in self.figures})

    def values(self, mode: str, size: int) -> list[float]:
        """One value per seed, in the order of the seeds."""
        found = [(c.seed, v) for c, v in self.figures.items() if (c.mode, c.size) == (mode, size)]
        return [value for _, value in sorted(found)]

    def gain(self, mode: str, size: int) -> Mean:
        """The paired gain over training from scratch on the same rows; above 0 is better."""
        sign = -1 if self.figure == "rmse" else 1
        pairs = zip(self.values(mode, size), self.values("scratch", size), strict=True)
        return mean_of([sign * (value - scratch) for value, scratch in pairs])

    def to_json(self) -> dict[str, Any]:
        """Everything except the single cells, which are in cells.csv."""
        sizes = [
            {
                "size": size,
                **{mode: mean_of(self.values(mode, size)).to_json() for mode in MODES},
                "gain": {mode: self.gain(mode, size).to_json() for mode in MODES[1:]},
            }
            for size in self.sizes
        ]
        about = {name: getattr(self, name) for name in ("source", "figure", "unit", "n_steps")}
        n_seeds = len(self.values(MODES[0], self.sizes[0]))
        return {**about, "n_seeds": n_seeds, "confidence": CONFIDENCE, "sizes": sizes}

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header, and one row per size."""
        header = [self.unit, *(f"{self.figure}, {NAMES[mode]}" for mode in MODES)]
        header += [f"gain of {NAMES[mode]}" for mode in MODES[1:]]
        rows = []
        for size in self.sizes:
            cells = [str(mean_of(self.values(mode, size))) for mode in MODES]
            gains = [str(self.gain(mode, size)) for mode in MODES[1:]]
            rows.append([str(size), *cells, *gains])
        return header, rows


def write_study(folder: Path, study: Study) -> None:
    """Write study.md, .html, .json and .png and cells.csv into `folder`, all or none."""
    with replace_folder(folder, {}) as temporary:
        write_json(temporary / "study.json", study.to_json())
        with (temporary / "cells.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*Cell._fields, study.figure])
            writer.writerows([*cell, repr(value)] for cell, value in sorted(study.figures.items()))
        picture = temporary / "study.png"
        _draw(picture, study)
        header, rows = study.table()
        n_seeds = study.to_json()["n_seeds"]
        text = (
            f"Test {study.figure}, mean of {n_seeds} seeds with the 95 % interval of the mean; "
            f"about {study.n_steps:,} steps per training, no early stopping. Gains are paired: the "
            "same rows, seed by seed; above 0 is better than from scratch."
        )
        blocks: list[Block] = [
            Heading(f"{study.project}: starting from {study.source}", 1),
            Table(header, rows),
            Paragraph(text),
            Picture(picture, picture.name, f"Test {study.figure} by labelled {study.unit}"),
        ]
        write_text(temporary / "study.md", render_markdown(blocks))
        write_text(
            temporary / "study.html", render_html(f"{study.project}: transfer study", blocks)
        )


def _draw(path: Path, study: Study) -> None:
    figure = Figure(figsize=(6.4, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for mode in MODES:
        means = [mean_of(study.values(mode, size)) for size in study.sizes]
        halves = [0.0 if math.isnan(mean.half) else mean.half for mean in means]
        values = [mean.mean for mean in means]
        style: dict[str, Any] = {
            "color": _COLOURS[mode],
            "label": NAMES[mode],
            "capsize": 3,
            "marker": "o",
        }
        axes.errorbar(study.sizes, values, halves, **style)
    axes.set_xscale("log")
    axes.set_xticks(study.sizes, list(map(str, study.sizes)))
    axes.minorticks_off()
    axes.set(xlabel=f"labelled {study.unit}", ylabel=f"test {study.figure}")
    axes.legend()
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})
