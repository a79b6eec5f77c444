"""What the profile of a stream needs of one batch of one column; summaries are merged in order."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.validation import profile as profiling
from layerline.validation.duplicates import distinct, hash_column

SMALLEST = 4096  # hashes that are kept to count distinct values


class Moments(NamedTuple):
    """Of finite numbers: how many, their mean, the sum of squares about it, extremes, histogram."""

    n: int
    mean: float
    squares: float
    low: float
    high: float
    counts: NDArray[np.int64]


class ColumnSummary(NamedTuple):
    """One column in one batch; `levels` is null where there are too many, or none are counted."""

    dtype: str
    n_missing: int
    n_values: int
    smallest: NDArray[np.uint64]
    moments: Moments | None
    levels: Mapping[str | bool, int] | None


class ColumnLook(NamedTuple):
    """What to look for in a column: a histogram with these edges, up to so many levels."""

    edges: NDArray[np.float64] | None
    max_levels: int

    def summarise(self, column: pd.Series) -> ColumnSummary:
        """Summarise one batch of the column."""
        gaps = column.isna().to_numpy()
        n_missing = int(gaps.sum())
        values = column[~gaps] if n_missing else column
        return ColumnSummary(
            str(column.dtype),
            n_missing,
            len(values),
            smallest(values),
            None if self.edges is None else moments(as_numbers(values), self.edges),
            _levels(values, self.max_levels) if self.max_levels else None,
        )


def _levels(values: pd.Series, most: int) -> dict[str | bool, int] | None:
    counts = values.value_counts()
    if len(counts) > most:
        return None
    return {profiling.plain_level(level): int(count) for level, count in counts.items()}


def as_numbers(values: pd.Series) -> NDArray[np.float64]:
    """Numbers as they are, dates as microseconds."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.astype("datetime64[us]").astype(np.int64)
    return values.to_numpy(dtype=np.float64)


def moments(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Moments | None:
    """The moments of the finite ones, null where there are none."""
    is_finite = np.isfinite(values)
    finite = values if is_finite.all() else values[is_finite]
    if not (n := len(finite)):
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # squares of numbers beyond 1e154
        mean = float(finite.mean())
        deviations = finite - mean
        # Not a product of vectors: its rounding depends on the cores that BLAS uses.
        squares = float(np.square(deviations).sum())
        width = edges[1] - edges[0]
        places = np.subtract(finite, edges[0], out=deviations)
        places = np.divide(places, width, out=places) if width > 0 else np.zeros(n)
        # What lies outside the sample's range goes to the outer bins, whose edges follow it.
        np.clip(places, 0, profiling.BINS - 1, out=places)
    counts = np.bincount(places.astype(np.intp), minlength=profiling.BINS)
    return Moments(n, mean, squares, float(finite.min()), float(finite.max()), counts)


def smallest(values: pd.Series) -> NDArray[np.uint64]:
    """The smallest distinct hashes of the values, rising, at most SMALLEST."""
    hashes = hash_column(values)
    if len(hashes) > 4 * SMALLEST:
        # Only the smallest matter; a full sort of a batch would cost more than the rest.
        bound = np.uint64(2**64 / len(hashes) * 2 * SMALLEST)
        few = distinct(hashes[hashes < bound])
        if len(few) >= SMALLEST:
            return few[:SMALLEST]
    return distinct(hashes)[:SMALLEST]
