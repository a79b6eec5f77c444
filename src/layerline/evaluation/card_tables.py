"""The model card's tables: figures, baselines, the decision, classes, slices and columns."""

from layerline.evaluation.bootstrap import Interval
from layerline.evaluation.rendering import Block, Heading, Paragraph, Points, Table
from layerline.evaluation.results import Findings
from layerline.text import readable

_COMPARED = {
    True: ("rmse", "mae", "r2", "median_error"),
    False: ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1_macro", "brier"),
}
_MOST_CLASSES, _MOST_COLUMNS = 30, 15


def span(found: Interval) -> str:
    """Both ends, for people."""
    return f"{readable(found.lower)} to {readable(found.upper)}"


def is_regression(found: Findings) -> bool:
    """Whether the target is a number."""
    return found.data["classes"] is None


def show_figures(found: Findings) -> list[Block]:
    """Every figure of every split, with the test rows' intervals."""
    confidence = found.params.evaluate.confidence
    rows = []
    for name, value in found.metrics["test"].items():
        others = [found.metrics[split].get(name) for split in ("train", "valid")]
        cells = ["–" if other is None else readable(other) for other in others]
        bounds = span(found.intervals[name]) if name in found.intervals else "–"
        rows.append([name, *cells, readable(value), bounds])
    return [
        Table(["figure", "train", "valid", "test", f"test, {confidence:.0%} interval"], rows),
        Paragraph(
            "Intervals are percentiles of bootstrap resamples of the test rows, widened where rows "
            "are few."
        ),
    ]


def show_baselines(found: Findings) -> list[Block]:
    """The network beside scikit-learn's simple models."""
    if not found.baselines:
        return []
    known = found.metrics["test"]
    names = [name for name in _COMPARED[is_regression(found)] if name in known]
    rows = [["this network", *(readable(known[name]) for name in names)]]
    for b in found.baselines:
        figures = (readable(b.figures[name]) if name in b.figures else "–" for name in names)
        rows.append([_baseline_name(b.name, found), *figures])
    return [
        Heading("Is the network worth it?"),
        Table(["test rows", *names], rows, marked=(0,)),
        Paragraph(
            f"The baselines are scikit-learn's, with its defaults, fitted on "
            f"{found.baselines[0].n_train_rows:,} of the train rows."
        ),
    ]


def _baseline_name(name: str, found: Findings) -> str:
    return "mean" if name == "majority" and is_regression(found) else name


def show_decision(found: Findings) -> list[Block]:
    """How an answer is made from the logits."""
    if is_regression(found):
        return []
    decision, lines = found.decision, []
    if decision.temperature != 1.0:
        lines.append(
            f"The logits are divided by a temperature of {decision.temperature:.4g}, fitted on the "
            "validation rows."
        )
    else:
        lines.append("No temperature: it did not lower the validation log loss beyond chance.")
    if decision.threshold is not None:
        name = found.data["classes"][decision.positive]
        lines.append(
            f"`{name}` is predicted from a probability of {readable(decision.threshold)} on."
        )
    else:
        lines.append("The most probable class is predicted.")
    return [Heading("Decision"), Points(lines)]


def show_classes(found: Findings) -> list[Block]:
    """Precision and recall of each class."""
    if not found.classes:
        return []
    rows = [
        [
            c.name,
            f"{c.n_rows:,}",
            f"{c.n_predicted:,}",
            f"{c.precision.mean:.3f}",
            span(c.precision),
            f"{c.recall.mean:.3f}",
            span(c.recall),
        ]
        for c in found.classes[:_MOST_CLASSES]
    ]
    header = ["class", "rows", "predicted", "precision", "interval", "recall", "interval"]
    return [Heading("Classes"), Table(header, rows)]


def show_slices(found: Findings) -> list[Block]:
    """The figures of each slice; those that are worse beyond chance are marked."""
    if not found.slices:
        return []
    names = list(found.slices[0].figures)
    header = ["slice", "rows"]
    for name in names:
        header += [name, "interval"]
    rows, marked = [], []
    for position, part in enumerate(found.slices):
        cells = [f"{part.column} = {part.level}", f"{part.n_rows:,}"]
        for name in names:
            cells += [readable(part.figures[name].mean), span(part.figures[name])]
        rows.append(cells)
        if part.is_worse:
            marked.append(position)
    return [Heading("Slices"), Table(header, rows, marked)]


def show_importance(found: Findings) -> list[Block]:
    """What shuffling each column costs."""
    if not found.importance:
        return []
    rows = [
        [item.column, readable(item.increase), f"{item.spread:.2g}"]
        for item in found.importance[:_MOST_COLUMNS]
    ]
    text = (
        f"How much the test {found.importance_of} grows when the column's values are shuffled. "
        "Of columns that tell the same, each looks small."
    )
    header = ["column", f"{found.importance_of} grows by", "spread"]
    return [Heading("What the columns are worth"), Paragraph(text), Table(header, rows)]
