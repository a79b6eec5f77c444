"""Sections of the model card: metrics, baselines, members, decision, classes, slices, ..."""

from layerline.evaluation.bootstrap import Interval
from layerline.evaluation.class_costs import describe_costs
from layerline.evaluation.evaluation_results import EvaluationResults
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Points, Table
from layerline.text import readable

_COMPARED = {
    True: ("rmse", "mae", "r2", "median_error"),
    False: (
        *("mean_cost", "accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1_macro"),
        "brier",
    ),
}
_MAX_CLASSES, _MAX_COLUMNS = 30, 15


def span(interval: Interval) -> str:
    """Both ends of an interval as text."""
    return f"{readable(interval.lower)} to {readable(interval.upper)}"


def metrics_section(results: EvaluationResults) -> list[Block]:
    """Every metric of every split, with intervals for the test rows."""
    confidence = results.params.evaluate.confidence
    rows = []
    for name, value in results.metrics["test"].items():
        others = [results.metrics[split].get(name) for split in ("train", "valid")]
        cells = ["–" if other is None else readable(other) for other in others]
        bounds = span(results.intervals[name]) if name in results.intervals else "–"
        rows.append([name, *cells, readable(value), bounds])
    return [
        Table(["metric", "train", "valid", "test", f"test, {confidence:.0%} interval"], rows),
        Paragraph(
            "Intervals are percentiles of bootstrap resamples of the test rows, widened for small "
            "numbers of rows."
        ),
    ]


def baselines_section(results: EvaluationResults) -> list[Block]:
    """The network beside scikit-learn's simpler models."""
    if not results.baselines:
        return []
    known = results.metrics["test"]
    names = [name for name in _COMPARED[results.is_regression] if name in known]
    rows = [["this network", *(readable(known[name]) for name in names)]]
    for b in results.baselines:
        figures = (readable(b.figures[name]) if name in b.figures else "–" for name in names)
        rows.append([_baseline_name(b.name, results), *figures])
    return [
        Heading("Is the network worth it?"),
        Table(["test rows", *names], rows, marked=(0,)),
        Paragraph(
            f"The baselines are scikit-learn's with default settings, fitted on "
            f"{results.baselines[0].n_train_rows:,} of the train rows."
        ),
    ]


def _baseline_name(name: str, results: EvaluationResults) -> str:
    return "mean" if name == "majority" and results.is_regression else name


def members_section(results: EvaluationResults) -> list[Block]:
    """The networks that were trained, what they differ in, and what each counts."""
    members = results.members
    if not members:
        return []
    monitored = results.params.train.monitored
    drawn = list(members[0]["drawn"])
    names = [path.rpartition(".")[2].replace("_", " ") for path in drawn]
    rows = []
    for one in members:
        settings = [str(one["drawn"][path]) for path in drawn]
        weight = f"{one['weight']:.1%}" if "weight" in one else "–"
        rows.append(
            [str(one["seed"]), *settings, str(one["epoch"]), readable(one["value"]), weight]
        )
    text = (
        "Settings are drawn by the seed, weights are chosen by the validation rows; a network of "
        "weight 0 is left out."
    )
    if results.params.train.folds is not None:
        text = (
            "Each network learnt from all train and validation rows but those of its fold, which "
            "judged it; the validation metrics above are those of the networks' answers out of "
            "fold."
        )
    learnt = results.distilled
    if learnt is not None:
        figures = f"{readable(learnt['value'])}, the ensemble's {readable(learnt['ensemble'])}"
        text += f" A single network learnt their answers: validation {monitored} {figures}."
    if learnt is not None and learnt["is_kept"]:
        text += " It is the model, and a prediction costs as much as that of one network."
    else:
        text += " A prediction costs as much as those of all that are kept."
    header = ["seed", *names, "best epoch", f"validation {monitored}", "weight"]
    return [Heading("Members"), Table(header, rows), Paragraph(text)]


def decision_section(results: EvaluationResults) -> list[Block]:
    """How the logits become a prediction."""
    if results.is_regression:
        regions = _conformal_lines(results)
        return [Heading("Intervals"), Points(regions)] if regions else []
    if "targets" in results.data:
        text = "A label is predicted from a probability of 0.5 upwards."
        return [Heading("Decision"), Paragraph(text)]
    decision, lines = results.decision, _conformal_lines(results)
    if decision.temperature != 1.0:
        lines.append(
            f"The logits are divided by a temperature of {decision.temperature:.4g}, fitted on "
            f"{results.judged_by}."
        )
    else:
        lines.append("No temperature: it did not lower the validation log loss significantly.")
    if decision.threshold is not None:
        name = results.data["classes"][decision.positive]
        lines.append(
            f"`{name}` is predicted from a probability of {readable(decision.threshold)} upwards."
        )
    elif decision.costs is not None:
        given = results.params.evaluate.class_costs or {}
        lines.append(describe_costs(given, decision.costs, results.data["classes"]))
    else:
        lines.append("The class with the highest probability is predicted.")
    return [Heading("Decision"), Points(lines)]


def _conformal_lines(results: EvaluationResults) -> list[str]:
    """What the conformal regions cover of the test rows."""
    conformal, test = results.decision.conformal, results.metrics["test"]
    if conformal is None:
        return []
    size = readable(test["conformal_size"])
    what = (
        f"an interval of mean width {size}"
        if results.is_regression
        else f"a set of {size} on average"
    )
    method = "conformal prediction" if conformal.folds is None else "CV+, around each fold's answer"
    lines = [
        f"{conformal.coverage:.0%} of new rows should have their true value within their region, "
        f"fitted on {results.judged_by} ({method}); of the test rows "
        f"{test['conformal_coverage']:.1%} do, with {what}."
    ]
    if (groups := conformal.groups) is not None:
        pairs = zip(groups.levels, groups.scores, strict=True)
        few = [level for level, score in pairs if score is None]
        others = f"; with too few rows, and the margin of all: {', '.join(few[:20])}" if few else ""
        lines.append(f"Each level of `{groups.by}` has a margin of its own{others}.")
    return lines


def classes_section(results: EvaluationResults) -> list[Block]:
    """Precision and recall of each class."""
    if not results.classes:
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
        for c in results.classes[:_MAX_CLASSES]
    ]
    header = ["class", "rows", "predicted", "precision", "interval", "recall", "interval"]
    return [Heading("Classes"), Table(header, rows)]


def slices_section(results: EvaluationResults) -> list[Block]:
    """The metrics of each slice; significantly worse ones are highlighted."""
    if not results.slices:
        return []
    names = list(results.slices[0].figures)
    header = ["slice", "rows"]
    for name in names:
        header += [name, "interval"]
    rows, marked = [], []
    for position, part in enumerate(results.slices):
        cells = [f"{part.column} = {part.level}", f"{part.n_rows:,}"]
        for name in names:
            cells += [readable(part.figures[name].mean), span(part.figures[name])]
        rows.append(cells)
        if part.is_worse:
            marked.append(position)
    return [Heading("Slices"), Table(header, rows, marked)]


def coverage_section(results: EvaluationResults) -> list[Block]:
    """The share of each slice's rows within their regions; too small ones are highlighted."""
    if not results.coverage:
        return []
    rows = [
        [
            f"{part.column} = {part.level}",
            f"{part.n_rows:,}",
            f"{part.coverage.mean:.1%}",
            f"{part.coverage.lower:.1%} to {part.coverage.upper:.1%}",
            readable(part.size.mean),
        ]
        for part in results.coverage
    ]
    size = "mean width" if results.is_regression else "mean classes"
    text = (
        f"The share of each slice's test rows whose true value is within their region; "
        f"{results.coverage[0].asked:.0%} should be."
    )
    marked = [position for position, part in enumerate(results.coverage) if part.is_low]
    header = ["slice", "rows", "covered", "interval", size]
    return [Heading("Coverage by slice"), Paragraph(text), Table(header, rows, marked)]


def importance_section(results: EvaluationResults) -> list[Block]:
    """How much worse predictions are when a column is shuffled."""
    if not results.importance:
        return []
    rows = [
        [item.column, readable(item.increase), readable(float(f"{item.spread:.2g}"))]
        for item in results.importance[:_MAX_COLUMNS]
    ]
    text = (
        f"Increase of the test {results.importance_of} when the column's values are shuffled. "
        "Columns with the same information each appear unimportant."
    )
    header = ["column", f"increase of {results.importance_of}", "spread"]
    return [Heading("Column importance"), Paragraph(text), Table(header, rows)]
