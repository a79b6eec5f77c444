"""The model card: what the model is, what it was made from, how good it is, where it ends.

Source of the form: Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layerline import __version__
from layerline.config import flatten
from layerline.evaluation.card_tables import (
    is_regression,
    show_baselines,
    show_classes,
    show_decision,
    show_figures,
    show_importance,
    show_slices,
    span,
)
from layerline.evaluation.forgetting_report import tell_forgetting
from layerline.evaluation.rendering import (
    Block,
    Code,
    Figures,
    Heading,
    Paragraph,
    Picture,
    Points,
    Table,
)
from layerline.evaluation.results import Findings
from layerline.evaluation.slices import worst
from layerline.text import readable
from layerline.training.dataset import SPLITS

_SHOWN = {True: ("rmse", "mae", "r2"), False: ("accuracy", "log_loss", "roc_auc", "f1_macro")}
_MOST_MISTAKES = 10
CAPTIONS = {
    "learning_curves.png": "Loss by epoch",
    "confusion.png": "Test rows by true and predicted class",
    "curves.png": "Ranking, thresholds and calibration on the test rows",
    "residuals.png": "Predictions against the truth on the test rows",
    "mistakes.png": "Most confidently wrong: true class, predicted class, its probability",
}


def describe_interval(levels: Sequence[float], figures: Mapping[str, float]) -> str:
    """One sentence on how far the predicted intervals can be trusted."""
    return (
        f"Between the levels {levels[0]:g} and {levels[-1]:g} should lie "
        f"{levels[-1] - levels[0]:.0%} of the rows; of the test rows "
        f"{figures['interval_coverage']:.1%} do, at a mean width of "
        f"{readable(figures['interval_width'])}."
    )


def write_card(found: Findings, plots: Path) -> list[Block]:
    """The blocks of reports/model_card.md and .html; `plots` is reports/plots."""
    what = f"**{found.data['target']}** ({found.data['task']})"
    return [
        Heading(found.params.project, 1),
        Paragraph(f"Predicts {what} with an `{found.params.train.network}` network."),
        _headline(found),
        *_conclusions(found),
        Heading("Data"),
        Points(_data_lines(found)),
        Heading("Figures"),
        *show_figures(found),
        *show_baselines(found),
        *show_decision(found),
        *show_classes(found),
        *show_slices(found),
        *tell_forgetting(found.forgetting),
        *show_importance(found),
        *_plots(plots),
        *_mistakes(found),
        Heading("Limits"),
        Points(_limits(found)),
        Heading("Lineage"),
        *_lineage(found),
        Heading("Params"),
        Code("\n".join(f"{key}: {value}" for key, value in _params(found).items())),
        Heading("Network"),
        Code(found.network),
    ]


def _headline(found: Findings) -> Figures:
    names = [name for name in _SHOWN[is_regression(found)] if name in found.metrics["test"]]
    confidence = f"{found.params.evaluate.confidence:.0%}"
    return Figures(
        [
            (
                f"test {name}",
                readable(found.metrics["test"][name]),
                f"{confidence}: {span(found.intervals[name])}"
                if name in found.intervals
                else "no interval",
            )
            for name in names
        ]
    )


def _conclusions(found: Findings) -> list[Block]:
    points = [found.diagnosis, found.worth]
    bad = worst(found.slices)
    if bad:
        figure = next(iter(bad[0].figures))
        named = ", ".join(
            f"{s.column} = {s.level} ({figure} {readable(s.figures[figure].mean)}, {s.n_rows} rows)"
            for s in bad
        )
        points.append(f"Worse than over all, beyond chance: {named}.")
    elif found.slices:
        points.append("No slice is worse than all rows together, beyond chance.")
    return [Points([point for point in points if point])]


def _data_lines(found: Findings) -> list[str]:
    data, params = found.data, found.params
    rows = ", ".join(f"{name} {data['n_rows'][name]:,}" for name in SPLITS)
    lines = [
        f"source: {params.fetch.source}; split: {params.scale.split.name}; rows: {rows}",
        f"inputs to the network: {' × '.join(map(str, data['shape']))}",
    ]
    if data["classes"] is not None:
        names = [str(name) for name in data["classes"]]
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        lines.append(f"classes ({len(names)}): {shown}")
    return lines


def _plots(plots: Path) -> list[Block]:
    there = [(name, text) for name, text in CAPTIONS.items() if (plots / name).exists()]
    pictures = [Picture(plots / name, f"plots/{name}", text) for name, text in there]
    return [Heading("Plots"), *pictures]


def _mistakes(found: Findings) -> list[Block]:
    table = found.mistakes.head(_MOST_MISTAKES)
    if table.empty:
        return []
    names = list(table.columns[:4])
    rows = [[_shown(value) for value in row] for row in table[names].itertuples(index=False)]
    text = "Their columns are in `reports/errors.csv`; rows are counted from 1 in `data/validated`."
    return [Heading("Errors worth looking at"), Paragraph(text), Table(names, rows)]


def _shown(value: Any) -> str:
    return readable(value) if isinstance(value, float) else str(value)


def _limits(found: Findings) -> list[str]:
    lines = [
        "The figures hold for rows like the test rows; nothing here measures other populations."
    ]
    n_rows = found.data["n_rows"]["test"]
    if n_rows < 1000:
        lines.append(
            f"{n_rows:,} test rows tell small differences poorly: "
            "see the intervals before preferring one model to another."
        )
    if not is_regression(found):
        lines.append("A class that was not in the training rows can never be predicted.")
    small = [c.name for c in found.classes if c.n_rows < 10]
    if small:
        shown = ", ".join(small[:10]) + (", …" if len(small) > 10 else "")
        lines.append(f"Classes with fewer than 10 test rows, about which little is known: {shown}.")
    return lines


def _lineage(found: Findings) -> list[Block]:
    rows = [[name, f"`{digest[:16]}`"] for name, digest in sorted(found.hashes.items())]
    return [
        Table(["what", "sha256"], rows),
        Paragraph(
            f"Made by layerline {__version__} with seed {found.params.seed}. The run in MLflow "
            "that carries this card has the git commit and the hash of every file that went in."
        ),
    ]


def _params(found: Findings) -> dict[str, Any]:
    sections = ("fetch", "validate", "scale", "train", "evaluate")
    return {k: v for k, v in flatten(found.params).items() if k.startswith(sections)}
