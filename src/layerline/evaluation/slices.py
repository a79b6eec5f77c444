"""Figures by the levels or quantiles of columns: where the model is worse than it is over all."""

import dataclasses
import difflib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.config import EvaluateSection
from layerline.errors import ParamsError, Problem
from layerline.evaluation.bootstrap import Interval, bounds
from layerline.evaluation.metrics import measure, table_of
from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.resampling import resample
from layerline.text import readable

MOST_LEVELS, N_QUANTILES = 12, 4
FEWEST_ROWS = 20  # a slice with fewer is listed, and never called worse
OTHERS, GAP = "(others)", "(missing)"


@dataclasses.dataclass(frozen=True)
class Slice:
    """The test rows with one level, or in one range, of a column.

    `is_worse` says that the whole interval of the slice's main figure is on the bad side of that
    figure over all rows.
    """

    column: str
    level: str
    n_rows: int
    figures: dict[str, Interval]
    is_worse: bool

    def to_json(self) -> dict[str, Any]:
        """As evaluation.json holds it."""
        return dataclasses.asdict(self)


def main_figures(predictions: Predictions) -> tuple[str, str]:
    """What a slice is judged by, lower is better, and a figure that people know."""
    return ("mae", "rmse") if predictions.probabilities is None else ("log_loss", "accuracy")


def measure_slices(
    rows: pd.DataFrame, predictions: Predictions, section: EvaluateSection, seed: int
) -> list[Slice]:
    """Figures of every slice of the columns in `evaluate.slices`, in their order.

    Args:
        rows: the raw test rows.
        predictions: of the same rows.
        section: params.yaml's `evaluate`.
        seed: of the bootstrap.

    Raises:
        ParamsError: there is no such column.
    """
    _require_columns(section.slices, list(rows.columns))
    overall = measure(predictions)[main_figures(predictions)[0]]
    found = []
    for name in section.slices:
        for level, mask in slices_of(rows[name]):
            part = predictions.take(mask)
            figures = _figures(part, section, seed)
            lower = figures[main_figures(predictions)[0]].lower
            is_worse = len(part.actual) >= FEWEST_ROWS and lower > overall
            found.append(Slice(name, level, len(part.actual), figures, is_worse))
    return found


def worst(slices: Sequence[Slice], most: int = 5) -> list[Slice]:
    """The slices that are worse beyond chance, the worst first."""
    by_loss = sorted((s for s in slices if s.is_worse), key=lambda s: -_loss(s))
    return by_loss[:most]


def _loss(found: Slice) -> float:
    return next(iter(found.figures.values())).mean


def _require_columns(wanted: Sequence[str], known: Sequence[str]) -> None:
    problems = []
    for index, name in enumerate(wanted):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            columns = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
            message = f"{name!r} is no column of the data; {hint}they are: {columns}"
            problems.append(Problem(f"evaluate.slices.{index}", message))
    if problems:
        raise ParamsError(problems)


def slices_of(column: pd.Series) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The level or range of each slice, and the mask (B,) of its rows; no slice is empty.

    Numbers and dates with more than `MOST_LEVELS` values are cut at their quartiles, other columns
    by their levels, the most frequent first; rarer ones are one slice.
    """
    gaps = column.isna().to_numpy()
    is_ranged = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_dtype(column)
    if is_ranged and column.nunique() > MOST_LEVELS:
        yield from _ranges(column, gaps)
    else:
        counts = column[~gaps].astype(str).value_counts()
        names = sorted(counts.index, key=lambda name: (-counts[name], name))
        text = column.astype(str).to_numpy()
        for name in names[:MOST_LEVELS]:
            yield name, (text == name) & ~gaps
        if len(names) > MOST_LEVELS:
            yield OTHERS, ~np.isin(text, names[:MOST_LEVELS]) & ~gaps
    if gaps.any():
        yield GAP, gaps


def _ranges(column: pd.Series, gaps: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    shares = np.linspace(0, 1, N_QUANTILES + 1)
    # A quantile between two rows would be no value of theirs; dates have none between at all.
    edges = column[~gaps].quantile(shares, interpolation="lower").drop_duplicates().tolist()
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        above = (column >= low) if k == 0 else (column > low)
        mask = (above & (column <= high)).to_numpy(dtype=bool) & ~gaps
        if mask.any():
            yield f"{_shown(low)} to {_shown(high)}", mask


def _shown(value: Any) -> str:
    return str(value.date()) if isinstance(value, pd.Timestamp) else readable(value)


def _figures(part: Predictions, section: EvaluateSection, seed: int) -> dict[str, Interval]:
    names, n_rows = main_figures(part), len(part.actual)
    table, values = table_of(part), measure(part)
    if not section.bootstrap:
        return {name: Interval(values[name], values[name], values[name]) for name in names}
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    for piece in resample(part, section.bootstrap, seed):
        for name in names:
            drawn[name].append(table[name](piece))
    return {
        name: bounds(values[name], np.concatenate(drawn[name]), section.confidence, n_rows)
        for name in names
    }
