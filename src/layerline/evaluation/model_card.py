"""The model card: the model, its data, its quality and its limits.

Source of the form: Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layerline import __version__
from layerline.config import flatten
from layerline.evaluation.evaluation_results import EvaluationResults
from layerline.evaluation.forgetting_report import forgetting_section
from layerline.evaluation.model_card_sections import (
    baselines_section,
    classes_section,
    coverage_section,
    decision_section,
    importance_section,
    members_section,
    metrics_section,
    slices_section,
    span,
)
from layerline.evaluation.monotone_sweeps import monotone_section
from layerline.evaluation.own_metric import metric_name
from layerline.evaluation.slice_coverage import low_slices
from layerline.evaluation.slice_metrics import worst_slices
from layerline.rendering.report_blocks import (
    Block,
    Code,
    Figures,
    Heading,
    Paragraph,
    Picture,
    Points,
    Table,
)
from layerline.text import readable
from layerline.training.dataset import SPLITS

_HEADLINES = {
    True: ("rmse", "mae", "r2"),
    False: ("mean_cost", "accuracy", "log_loss", "roc_auc", "f1_macro"),
}
_MAX_WORST, _MAX_COLUMNS = 10, 7
CAPTIONS = {
    "learning_curves.png": "Loss by epoch",
    "confusion.png": "Test rows by true and predicted class",
    "curves.png": "Ranking, thresholds and calibration on the test rows",
    "residuals.png": "Predictions against the truth on the test rows",
    "target_*.png": "The test rows of each target",
    "mistakes.png": "Most confident mistakes: true class, predicted class, its probability",
}


def describe_interval(levels: Sequence[float], figures: Mapping[str, float]) -> str:
    """One sentence on the coverage of the predicted intervals."""
    return (
        f"{levels[-1] - levels[0]:.0%} of the rows should lie between the levels {levels[0]:g} and "
        f"{levels[-1]:g}; of the test rows {figures['interval_coverage']:.1%} do, at a mean width "
        f"of {readable(figures['interval_width'])}."
    )


def model_card(results: EvaluationResults, plots: Path) -> list[Block]:
    """The blocks of model_card.md and model_card.html; `plots` is reports/plots."""
    what = f"**{results.data['target']}** ({results.data['task']})"
    return [
        Heading(results.params.project, 1),
        Paragraph(f"Predicts {what} with {_network(results)}."),
        _headline(results),
        *_conclusions(results),
        Heading("Data"),
        Points(_data_lines(results)),
        Heading("Metrics"),
        *metrics_section(results),
        *baselines_section(results),
        *members_section(results),
        *decision_section(results),
        *classes_section(results),
        *slices_section(results),
        *coverage_section(results),
        *forgetting_section(results.forgetting),
        *importance_section(results),
        *monotone_section(results.sweeps, results.data["classes"]),
        *_plots(plots),
        *_worst_predictions(results),
        Heading("Limits"),
        Points(_limits(results)),
        Heading("Lineage"),
        *_lineage(results),
        Heading("Params"),
        Code("\n".join(f"{key}: {value}" for key, value in _params(results).items())),
        Heading("Network"),
        Code(results.network),
    ]


def _network(results: EvaluationResults) -> str:
    n_members = sum(member.get("weight", 0) > 0 for member in results.members)
    name = f"`{results.params.train.network}`"
    if results.distilled is not None and results.distilled["is_kept"]:
        return f"an {name} network that learnt the answers of {n_members} others"
    return f"an ensemble of {n_members} {name} networks" if n_members > 1 else f"an {name} network"


def _headline(results: EvaluationResults) -> Figures:
    own = map(metric_name, results.params.evaluate.metrics)
    wanted = (*_HEADLINES[results.is_regression], *own)
    names = [name for name in wanted if name in results.metrics["test"]]
    confidence = f"{results.params.evaluate.confidence:.0%}"
    return Figures(
        [
            (
                f"test {name}",
                readable(results.metrics["test"][name]),
                f"{confidence}: {span(results.intervals[name])}"
                if name in results.intervals
                else "no interval",
            )
            for name in names
        ]
    )


def _conclusions(results: EvaluationResults) -> list[Block]:
    points = [results.diagnosis, results.worth]
    bad = worst_slices(results.slices)
    if bad:
        figure = next(iter(bad[0].figures))
        named = ", ".join(
            f"{s.column} = {s.level} ({figure} {readable(s.figures[figure].mean)}, {s.n_rows} rows)"
            for s in bad
        )
        points.append(f"Significantly worse than on all rows: {named}.")
    elif results.slices:
        points.append("No slice is significantly worse than all rows together.")
    if low := low_slices(results.coverage):
        named = ", ".join(
            f"{s.column} = {s.level} ({s.coverage.mean:.1%}, {s.n_rows} rows)" for s in low
        )
        points.append(f"Regions cover fewer than {low[0].asked:.0%} of the rows of: {named}.")
    points.append(results.looks.warning(results.params.evaluate.confidence))
    return [Points([point for point in points if point])]


def _data_lines(results: EvaluationResults) -> list[str]:
    data, params = results.data, results.params
    rows = ", ".join(f"{name} {data['n_rows'][name]:,}" for name in SPLITS)
    lines = [
        f"source: {params.fetch.source}; split: {params.scale.split.name}; rows: {rows}",
        f"inputs to the network: {' × '.join(map(str, data['shape']))}",
    ]
    for target in data.get("targets", ()):
        what = "a number" if target["levels"] is None else " or ".join(map(str, target["levels"]))
        lines.append(f"target `{target['name']}`: {what}")
    if data["classes"] is not None:
        names = [str(name) for name in data["classes"]]
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        lines.append(f"classes ({len(names)}): {shown}")
    return lines


def _plots(plots: Path) -> list[Block]:
    existing = [
        (file.name, text) for form, text in CAPTIONS.items() for file in sorted(plots.glob(form))
    ]
    pictures = [
        Picture(plots / name, f"plots/{name}", text, is_plot=name != "mistakes.png")
        for name, text in existing
    ]
    return [Heading("Plots"), *pictures]


def _worst_predictions(results: EvaluationResults) -> list[Block]:
    table = results.worst_predictions.head(_MAX_WORST)
    if table.empty:
        return []
    n_shown = 4 if len(results.data.get("targets", ())) == 0 else _MAX_COLUMNS
    names = list(table.columns[:n_shown])
    rows = [[_shown(value) for value in row] for row in table[names].itertuples(index=False)]
    text = "All columns are in `reports/errors.csv`; rows count from 1 in `data/validated`."
    return [Heading("Worst predictions"), Paragraph(text), Table(names, rows)]


def _shown(value: Any) -> str:
    return readable(value) if isinstance(value, float) else str(value)


def _limits(results: EvaluationResults) -> list[str]:
    lines = [
        "The metrics hold for rows like the test rows; other populations were not measured.",
        results.looks.sentence,
    ]
    n_rows = results.data["n_rows"]["test"]
    if n_rows < 1000:
        lines.append(
            f"{n_rows:,} test rows do not show small differences: see the intervals before "
            "preferring one model to another."
        )
    if not results.is_regression:
        lines.append("A class without training rows is never predicted.")
    small = [c.name for c in results.classes if c.n_rows < 10]
    if small:
        shown = ", ".join(small[:10]) + (", …" if len(small) > 10 else "")
        lines.append(f"Classes with fewer than 10 test rows, whose metrics are uncertain: {shown}.")
    return lines


def _lineage(results: EvaluationResults) -> list[Block]:
    rows = [[name, f"`{digest[:16]}`"] for name, digest in sorted(results.hashes.items())]
    return [
        Table(["artifact", "sha256"], rows),
        Paragraph(
            f"Made by layerline {__version__} with seed {results.params.seed}. The run in MLflow "
            "with this card has the git commit and the hashes of all inputs."
        ),
    ]


def _params(results: EvaluationResults) -> dict[str, Any]:
    sections = ("fetch", "validate", "scale", "train", "evaluate")
    return {k: v for k, v in flatten(results.params).items() if k.startswith(sections)}
