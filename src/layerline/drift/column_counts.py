"""New rows of one column, counted against its sketch piece by piece; memory stays flat."""

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.model.column_sketch import ColumnSketch, as_numbers, count_levels

MOST_UNSEEN = 10_000  # levels that are remembered


class ColumnCounts:
    """Counts of new rows, beside those of the training rows.

    Attributes:
        sketch: of the training rows.
        n_rows, n_missing, n_unread: new rows, those without a value, and those whose value is not
            one of this column.
        up_to: (P + 1,) numbers up to each point and above the one before; beyond the last.
        n_below, n_above: numbers beyond the training's smallest and largest.
        levels: rows of each level; those beyond MOST_UNSEEN are in `n_more`.
    """

    def __init__(self, sketch: ColumnSketch) -> None:
        self.sketch = sketch
        self.n_rows = self.n_missing = self.n_unread = self.n_below = self.n_above = 0
        self.points = np.array(sketch.points)
        self.up_to = np.zeros(len(self.points) + 1, dtype=np.int64)
        self.levels: Counter[str] = Counter()
        self.n_more = 0
        self._excess = 0.0  # the sum of distances from the range

    @property
    def n_present(self) -> int:
        """New rows with a value."""
        return self.n_rows - self.n_missing

    def add(self, values: pd.Series, unread: NDArray[np.bool_] | None = None) -> None:
        """Count typed values (B,), gaps where `unread` marks what could not be read."""
        present = values[~unread] if unread is not None and unread.any() else values
        self.n_unread += len(values) - len(present)
        present = present.dropna()
        self.n_rows += len(values)
        self.n_missing += len(values) - len(present)
        if len(self.points):
            self._add_numbers(as_numbers(present))
        else:
            self._add_levels(count_levels(present))

    def _add_numbers(self, values: NDArray[np.float64]) -> None:
        places = np.searchsorted(self.points, values, side="left")
        self.up_to += np.bincount(places, minlength=len(self.up_to))
        lowest, highest = self.points[0], self.points[-1]
        below, above = values[values < lowest], values[values > highest]
        self.n_below += len(below)
        self.n_above += len(above)
        with np.errstate(over="ignore"):
            self._excess += float((lowest - below).sum() + (above - highest).sum())

    def _add_levels(self, counts: Counter[str]) -> None:
        for level, count in counts.items():
            is_kept = level in self.levels or level in self.sketch.levels
            if is_kept or len(self.levels) < MOST_UNSEEN:
                self.levels[level] += count
            else:
                self.n_more += count

    def both(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The training rows and the new ones, counted in the same intervals or levels."""
        if len(self.points):
            low = [self.n_below, int(self.up_to[0]) - self.n_below]
            before = np.array([0, *self.sketch.counts, 0], dtype=np.int64)
            return before, np.array([*low, *self.up_to[1:]], dtype=np.int64)
        names = self.names()
        known, found = self.sketch.levels, [self.levels[level] for level in names]
        counts = [*(known.get(level, 0) for level in names), self.sketch.n_other]
        return np.array(counts), np.array([*found, self.n_present - sum(found)])

    def names(self) -> list[str]:
        """The levels that have a cell: those of the training, and unseen ones if it lists all."""
        unseen = () if self.sketch.n_other else self.unseen()
        return [*self.sketch.levels, *unseen]

    def unseen(self) -> dict[str, int]:
        """The rows of levels that training did not list, the most frequent first."""
        found = {k: n for k, n in self.levels.items() if k not in self.sketch.levels}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def n_unseen(self) -> int:
        """New rows whose level no training row has; 0 where the sketch could not list all."""
        if self.sketch.n_other or len(self.points):
            return 0
        return self.n_more + sum(self.unseen().values())

    def wasserstein(self) -> float | None:
        """How far the numbers moved on average, in standard deviations of the training's.

        Source: Vallender, Calculation of the Wasserstein distance on the line (1974); within an
        interval the gap between the two distributions is taken to change evenly.
        """
        sketch = self.sketch
        if not sketch.deviation or not self.n_present:
            return None
        before, now = self.both()
        gaps = np.abs(np.cumsum(before) / before.sum() - np.cumsum(now) / now.sum())[1:-1]
        heights = gaps[:-1] if sketch.is_whole else (gaps[:-1] + gaps[1:]) / 2
        distance = float((heights * np.diff(self.points)).sum()) + self._excess / self.n_present
        return distance / sketch.deviation
