"""The model card: what the model is, what it was made from, how good it is, where it ends.

Source of the form: Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from layerline.config import Params
from layerline.evaluation.comparison import Interval
from layerline.training.rows import SPLITS


def diagnose(history: Sequence[Mapping[str, float]], kept: int, epochs: int) -> str:
    """One sentence on how the fit went, from the learning curves."""
    last, best = history[-1], history[kept - 1]
    lowest = min(range(len(history)), key=lambda row: history[row]["valid_loss"]) + 1
    if kept == lowest == len(history) == epochs and epochs > 1:
        return (
            f"The validation loss was still falling at the last epoch ({epochs}): "
            "more epochs may help."
        )
    if (
        last["train_loss"] < 0.5 * best["train_loss"]
        and last["valid_loss"] > 1.1 * best["valid_loss"]
    ):
        return (
            f"Over-fitting began after epoch {kept}: the training loss kept falling while the "
            "validation loss rose; the weights of the best epoch were kept."
        )
    return (
        f"The weights of epoch {kept} of {len(history)} were kept; the validation loss was lowest "
        f"at epoch {lowest}."
    )


def describe_interval(levels: Sequence[float], figures: Mapping[str, float]) -> str:
    """One sentence on how far the predicted intervals can be trusted."""
    return (
        f"Between the levels {levels[0]:g} and {levels[-1]:g} should lie "
        f"{levels[-1] - levels[0]:.0%} of the rows; of the test rows "
        f"{figures['interval_coverage']:.1%} do, at a mean width of "
        f"{figures['interval_width']:.4g}."
    )


def write_card(
    params: Params,
    data: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, Interval],
    diagnosis: str,
    network: str,
) -> str:
    """Markdown text of reports/model_card.md.

    Args:
        params: the whole params.yaml.
        data: the manifest of data/scaled.
        metrics: figures by split.
        intervals: bootstrap intervals of test figures.
        diagnosis: what `diagnose` says.
        network: the network's printed structure.
    """
    sections = [
        f"# {params.project}",
        f"Predicts **{data['target']}** ({data['task']}) with an `{params.train.network}` network.",
        "## Data",
        _data_lines(params, data),
        "## Figures",
        _figures_table(metrics),
        _interval_lines(intervals, params.evaluate.confidence),
        diagnosis,
        "## Limits",
        _limits(data),
        "## Network",
        f"```\n{network}\n```",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _data_lines(params: Params, data: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{name} {data['n_rows'][name]:,}" for name in SPLITS)
    shape = " × ".join(map(str, data["shape"]))
    lines = [
        f"- source: {params.fetch.source}; split: {params.scale.split.name}; rows: {rows}",
        f"- inputs to the network: {shape}",
    ]
    if data["classes"] is not None:
        names = [str(name) for name in data["classes"]]
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        lines.append(f"- classes ({len(names)}): {shown}")
    return "\n".join(lines)


def _figures_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    names = list(metrics["test"])
    lines = ["| split | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for split, figures in metrics.items():
        cells = [f"{figures[name]:.4g}" if name in figures else "–" for name in names]
        lines.append(f"| {split} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _interval_lines(intervals: Mapping[str, Interval], confidence: float) -> str:
    if not intervals:
        return ""
    lines = [
        f"- test {name}: {found.mean:.4g} ({found.lower:.4g} to {found.upper:.4g})"
        for name, found in intervals.items()
    ]
    return f"{confidence:.0%} bootstrap intervals over the test rows:\n\n" + "\n".join(lines)


def _limits(data: Mapping[str, Any]) -> str:
    lines = [
        "- The figures hold for rows like the test rows; nothing here measures other populations.",
    ]
    if data["n_rows"]["test"] < 1000:
        lines.append(
            f"- {data['n_rows']['test']} test rows tell small differences poorly: "
            "see the intervals before preferring one model to another."
        )
    if data["task"] != "regression":
        lines.append("- A class that was not in the training rows can never be predicted.")
    return "\n".join(lines)
