"""Coverage of each slice: the share of its test rows whose true value is within their region."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from layerline.config import EvaluateSection
from layerline.evaluation.bootstrap import Interval
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.slice_metrics import MIN_ROWS, figures_of
from layerline.evaluation.slices import cut_rows


@dataclasses.dataclass(frozen=True)
class SliceCoverage:
    """What the regions of a slice's test rows cover, and their mean width or number of classes.

    `is_low`: the whole interval of the coverage is below `asked`.
    """

    column: str
    level: str
    n_rows: int
    asked: float
    coverage: Interval
    size: Interval
    is_low: bool

    def to_json(self) -> dict[str, Any]:
        """As evaluation.json holds it."""
        return dataclasses.asdict(self)


def measure_coverage(
    rows: pd.DataFrame, predictions: Predictions, section: EvaluateSection, seed: int
) -> list[SliceCoverage]:
    """The coverage of every slice of `evaluate.slices`, and of `evaluate.conformal.by`.

    Conformal regions where there are any, else the outer quantiles of a quantile loss; else none.

    `rows` are the raw test rows, and `predictions` theirs. A ParamsError names an unknown column.
    """
    regions, levels = section.regions, predictions.levels
    if regions is not None:
        asked, names = regions.level, ("conformal_coverage", "conformal_size")
    elif len(levels) > 1:
        asked, names = levels[-1] - levels[0], ("interval_coverage", "interval_width")
    else:
        return []
    by = () if regions is None or regions.by is None else (regions.by,)
    found = []
    for part in cut_rows(rows, list(dict.fromkeys((*section.slices, *by))), "evaluate.slices"):
        taken = predictions.take(part.is_in)
        n_rows = len(taken.actual)
        coverage, size = figures_of(taken, names, section, seed).values()
        is_low = bool(section.bootstrap) and n_rows >= MIN_ROWS and coverage.upper < asked
        found.append(SliceCoverage(part.column, part.level, n_rows, asked, coverage, size, is_low))
    return found


def low_slices(found: Sequence[SliceCoverage], limit: int = 5) -> list[SliceCoverage]:
    """The slices that are surely covered too seldom, the worst first."""
    return sorted((s for s in found if s.is_low), key=lambda s: s.coverage.mean)[:limit]
