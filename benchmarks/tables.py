"""All models side by side on tables: quality, seconds, mean ranks, and the frontier as a plot.

    python benchmarks/quality.py --tables FOLDER [FOLDER ...] --test --seeds 3 --csv FILE
    python benchmarks/tables.py --tables FOLDER [FOLDER ...] --csv FILE [--plot FILE.png]

A FOLDER holds tables.json, with each table's name and metric, and peers.csv, with what other models
reach on its test rows; FILE has Layerline's trainings. The table on stdout is Markdown, for
benchmarks/results/tables.md. Means are over seeds; a rank is among the models that were run on a
table, so a model that was run on few tables is ranked among few.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import rankdata

FIGURES = ("accuracy", "log_loss", "roc_auc", "rmse", "fit_s")
LOSSES = ("rmse", "log_loss")  # less is better
NAMES = {
    "default": "Layerline",
    "catboost": "CatBoost",
    "lgbm": "LightGBM",
    "hgb": "HistGradientBoosting",
    "xgb": "XGBoost",
    "realmlp": "RealMLP",
    "realmlp_s": "RealMLP-S",
    "tabm": "TabM",
    "sk_mlp": "scikit-learn MLP",
}
LEAST_TABLES = 10  # of which a point in the plot is the mean

Figures = Mapping[str, float]
Found = dict[tuple[str, str], list[Figures]]  # by table and model, a training each


class Judged(NamedTuple):
    """A table, and the metric that it is ranked by."""

    name: str
    metric: str

    @property
    def loss(self) -> str:
        return "rmse" if self.metric == "rmse" else "log_loss"


def read_peers(folders: Sequence[Path], found: Found) -> None:
    """Add each folder's peers.csv."""
    for folder in folders:
        for line in csv.DictReader((folder / "peers.csv").read_text().splitlines()):
            figures = {"log_loss" if key == "logloss" else key: line[key] for key in line}
            numbers = {name: float(figures[name]) for name in FIGURES if figures.get(name)}
            found.setdefault((line["table"], line["model"]), []).append(numbers)


def read_own(file: Path, found: Found) -> None:
    """Add what quality.py appended to its --csv."""
    for table, model, _, *values in csv.reader(file.read_text().splitlines()):
        figures = {n: float(v) for n, v in zip(FIGURES, values, strict=True) if v}
        found.setdefault((table, model), []).append(figures)


def mean(found: Found, table: str, model: str, metric: str) -> float | None:
    values = [one[metric] for one in found.get((table, model), ()) if metric in one]
    return float(np.mean(values)) if values else None


def ranks(tables: Sequence[Judged], found: Found, by: str) -> dict[str, list[float]]:
    """Each model's rank on each table it was run on; `by` metric (the table's own) or loss."""
    ranked: dict[str, list[float]] = {}
    for table in tables:
        metric = table.metric if by == "metric" else table.loss
        sign = 1 if metric in LOSSES else -1
        models = [model for name, model in found if name == table.name]
        means = {m: v for m in models if (v := mean(found, table.name, m, metric)) is not None}
        order = rankdata(np.round([sign * value for value in means.values()], 6))
        for model, rank in zip(means, order, strict=True):
            ranked.setdefault(model, []).append(float(rank))
    return dict(sorted(ranked.items(), key=lambda one: float(np.mean(one[1]))))


def print_ranks(tables: Sequence[Judged], found: Found) -> None:
    """Mean ranks over the tables, by their own metrics and by log loss or RMSE."""
    for by, title in (("metric", "the table's metric"), ("loss", "log loss or RMSE")):
        places = ranks(tables, found, by)
        parts = [f"{model} {np.mean(p):.2f} ({len(p)})" for model, p in places.items()]
        print(f"\nMean rank by {title} (tables): {', '.join(parts)}" if tables else "")


def print_table(tables: Sequence[Judged], found: Found) -> None:
    """A row for each table and metric, the best figure bold; CPU seconds; and what is behind."""
    models = [model for model in NAMES if any(key[1] == model for key in found)]
    print(f"| table | metric | {' | '.join(NAMES[m] for m in models)} |")
    print(f"|---|---|{'---:|' * len(models)}")
    behind = []
    for table, metric in [(t, m) for t in tables for m in dict.fromkeys((t.metric, t.loss))]:
        values = {m: v for m in models if (v := mean(found, table.name, m, metric)) is not None}
        best = (min if metric in LOSSES else max)(values.values())
        cells = [_cell(values.get(model), best) for model in models]
        print(f"| {table.name} | {metric} | {' | '.join(cells)} |")
        gap = abs(values["default"] / best - 1) if "default" in values else 0.0
        behind += [(gap, f"{table.name} {metric} {100 * gap:.1f} %")] if gap else []
    medians = {model: _median_seconds(tables, found, model) for model in models}
    print(f"| median | fit seconds | {' | '.join(f'{medians[m]:.3g}' for m in models)} |")
    print("\nBehind the best: " + ", ".join(text for _, text in sorted(behind, reverse=True)))


def _cell(value: float | None, best: float) -> str:
    text = "–" if value is None else f"{value:.4g}"
    return f"**{text}**" if value == best else text


def _median_seconds(tables: Sequence[Judged], found: Found, model: str) -> float:
    each = (mean(found, table.name, model, "fit_s") for table in tables)
    known = [seconds for seconds in each if seconds is not None]
    return float(np.median(known)) if known else float("nan")


def plot_frontier(tables: Sequence[Judged], found: Found, file: Path) -> None:
    """Mean rank over median seconds; who is at the lower left is best."""
    figure = Figure(figsize=(7, 4.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = {m: r for m, r in ranks(tables, found, "metric").items() if len(r) >= LEAST_TABLES}
    points = {m: (_median_seconds(tables, found, m), float(np.mean(r))) for m, r in places.items()}
    best, frontier = float("inf"), []
    for seconds, rank in sorted(points.values()):
        if rank < best:
            best = rank
            frontier.append((seconds, rank))
    axes.step(*zip(*frontier, strict=True), where="post", color="0.6", zorder=1)
    for model, (seconds, rank) in points.items():
        is_own = model == "default"
        axes.scatter(seconds, rank, s=60 if is_own else 36, zorder=2, color=f"C{int(not is_own)}")
        label = f"{NAMES.get(model, model)} ({len(places[model])})"
        axes.annotate(label, (seconds, rank), (6, 5), textcoords="offset points", fontsize=9)
    axes.set(
        xscale="log",
        xlabel="fit, CPU seconds, median over tables (log scale)",
        ylabel="mean rank by the table's metric (1 is best)",
    )
    axes.margins(x=0.2, y=0.12)
    axes.grid(alpha=0.25)
    figure.savefig(file, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--csv", type=Path, required=True, help="from quality.py --test --csv")
    parser.add_argument("--plot", type=Path, help="a PNG file for the frontier")
    options = parser.parse_args()
    found: Found = {}
    read_own(options.csv, found)
    measured = {name for name, _ in found}
    read_peers(options.tables, found)
    known = [
        t for folder in options.tables for t in json.loads((folder / "tables.json").read_text())
    ]
    tables = [Judged(t["name"], t["metric"]) for t in known if t["name"] in measured]
    print_table(tables, found)
    print_ranks(tables, found)
    if options.plot is not None:
        plot_frontier(tables, found, options.plot)


if __name__ == "__main__":
    main()
