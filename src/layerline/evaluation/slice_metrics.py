"""Metrics of each slice of the test rows: where the model is worse than on all of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerline.config import EvaluateSection
from layerline.evaluation.bootstrap import Interval, bounds
from layerline.evaluation.metrics import measure, table_of
from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.resampling import resample
from layerline.evaluation.slices import cut_rows

MIN_ROWS = 20  # a smaller slice is listed, and never called worse


@dataclasses.dataclass(frozen=True)
class SliceMetrics:
    """Metrics of the test rows of one slice.

    `is_worse`: the whole interval of the slice's main metric is worse than that metric over all
    rows.
    """

    column: str
    level: str
    n_rows: int
    figures: dict[str, Interval]
    is_worse: bool

    def to_json(self) -> dict[str, Any]:
        """As evaluation.json holds it."""
        return dataclasses.asdict(self)


def main_metrics(predictions: Predictions) -> tuple[str, str]:
    """The metric by which a slice is judged, lower is better, and one that people know."""
    return ("mae", "rmse") if predictions.probabilities is None else ("log_loss", "accuracy")


def measure_slices(
    rows: pd.DataFrame, predictions: Predictions, section: EvaluateSection, seed: int
) -> list[SliceMetrics]:
    """Metrics of every slice of the columns in `evaluate.slices`, in their order.

    Args:
        rows: the raw test rows.
        predictions: of the same rows.
        section: params.yaml's `evaluate`.
        seed: of the bootstrap.

    Raises:
        ParamsError: a column is not in the data.
    """
    overall = measure(predictions)[main_metrics(predictions)[0]]
    found = []
    for part in cut_rows(rows, section.slices, "evaluate.slices"):
        taken = predictions.take(part.is_in)
        figures = figures_of(taken, main_metrics(taken), section, seed)
        lower = figures[main_metrics(predictions)[0]].lower
        is_worse = len(taken.actual) >= MIN_ROWS and lower > overall
        found.append(SliceMetrics(part.column, part.level, len(taken.actual), figures, is_worse))
    return found


def worst_slices(slices: Sequence[SliceMetrics], limit: int = 5) -> list[SliceMetrics]:
    """The slices that are significantly worse, the worst first."""
    by_loss = sorted((s for s in slices if s.is_worse), key=lambda s: -_loss(s))
    return by_loss[:limit]


def _loss(found: SliceMetrics) -> float:
    return next(iter(found.figures.values())).mean


def figures_of(
    part: Predictions, names: Sequence[str], section: EvaluateSection, seed: int
) -> dict[str, Interval]:
    """These metrics of a slice's rows, in this order, with their bootstrap intervals."""
    n_rows = len(part.actual)
    table, values = table_of(part), measure(part)
    if not section.bootstrap:
        return {name: Interval(values[name], values[name], values[name]) for name in names}
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    for piece in resample(part, section.bootstrap, seed):
        for name in names:
            drawn[name].append(table[name].build(piece))
    return {
        name: bounds(values[name], np.concatenate(drawn[name]), section.confidence, n_rows)
        for name in names
    }
