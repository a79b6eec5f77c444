"""The profile of a table that does not fit in memory: exact counts and moments, sampled quantiles.

Counts, missing values, moments, extremes, histogram and levels are exact. Quantiles, tenths and the
most frequent words of text come from the sample that `check` drew. Distinct values are exact up to
SMALLEST of them, then estimated from the smallest hashes (within 4 % nearly always).

Source: Bar-Yossef et al., Counting Distinct Elements in a Data Stream (2002); Chan, Golub, LeVeque,
Updating Formulae and a Pairwise Algorithm for Computing Sample Variances (1979).
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.tables.threads import side_by_side
from layerline.validation import profile as profiling
from layerline.validation.column_summary import (
    SMALLEST,
    ColumnLook,
    ColumnSummary,
    Moments,
    as_numbers,
    smallest,
)
from layerline.validation.duplicates import distinct

MAX_LEVELS = 2000  # beyond, a text column's commonest words are taken from the sample


class Profiler:
    """Sees every good row once, batch by batch."""

    def __init__(self, sample: pd.DataFrame, categories: Collection[str] = ()) -> None:
        self._sketches = {
            str(name): _Sketch(sample[name], is_category=name in categories)
            for name in sample.columns
        }
        self._n_rows = 0

    @property
    def looks(self) -> Mapping[str, ColumnLook]:
        """What to look for in each column of a batch: see `summarise`."""
        return {name: sketch.look for name, sketch in self._sketches.items()}

    def add(self, frame: pd.DataFrame) -> None:
        """Add a batch of rows, in their schema's types."""
        self.merge(len(frame), summarise(frame, self.looks))

    def merge(self, n_rows: int, summaries: Mapping[str, ColumnSummary]) -> None:
        """Add a batch that was summarised; the order of batches decides the last digits."""
        self._n_rows += n_rows
        for name, summary in summaries.items():
            self._sketches[name].merge(summary)

    def result(self) -> dict[str, Any]:
        """As `profile` gives it, with `sampled` and `distinct_is_estimated` where it is so."""
        results = side_by_side(_Sketch.result, self._sketches.values())
        columns = dict(zip(self._sketches, results, strict=True))
        return {"n_rows": self._n_rows, "columns": columns}


def summarise(frame: pd.DataFrame, looks: Mapping[str, ColumnLook]) -> dict[str, ColumnSummary]:
    """What a profile needs of one batch."""
    found = side_by_side(lambda name: looks[name].summarise(frame[name]), looks)
    return dict(zip(looks, found, strict=True))


class _Sketch:
    """One column."""

    def __init__(self, sample: pd.Series, *, is_category: bool) -> None:
        self._sample = sample.dropna()
        self._is_date = pd.api.types.is_datetime64_any_dtype(sample)
        is_number = self._is_date or profiling.is_number(sample)
        self._dtype = str(sample.dtype)
        self._count = self._missing = 0
        self._distinct = _Distinct()
        counts_levels = is_category or not is_number
        self._levels: dict[str | bool, int] | None = {} if counts_levels else None
        self._numbers = _Numbers(as_numbers(self._sample)) if is_number else None
        edges = None if self._numbers is None else self._numbers.edges
        self.look = ColumnLook(edges, MAX_LEVELS if counts_levels else 0)

    def merge(self, summary: ColumnSummary) -> None:
        self._dtype = summary.dtype
        self._missing += summary.n_missing
        self._count += summary.n_values
        if not summary.n_values:
            return
        self._distinct.merge(summary.smallest)
        if self._numbers is not None and summary.moments is not None:
            self._numbers.merge(summary.moments)
        if self._levels is None or summary.levels is None:
            self._levels = None
            return
        for level, count in summary.levels.items():
            self._levels[level] = self._levels.get(level, 0) + count
        if len(self._levels) > MAX_LEVELS:  # free text
            self._levels = None

    def result(self) -> dict[str, Any]:
        distinct, is_exact = self._distinct.count()
        about = {
            "dtype": self._dtype,
            "count": self._count,
            "missing": self._missing,
            "distinct": min(distinct, self._count),
            **({} if is_exact else {"distinct_is_estimated": True}),
        }
        if self._numbers is None:
            if self._levels is not None:
                return about | profiling.levels(self._levels)
            counts: dict[str | bool, int] = {
                str(word): int(n) for word, n in self._sample.value_counts().items()
            }
            return about | {"sampled": True} | profiling.levels(counts)
        if self._levels is not None:
            about |= profiling.levels(self._levels)
        numbers = self._numbers.result() if self._count else {}
        if self._is_date and numbers:
            low, high = (str(pd.Timestamp(t)) for t in self._numbers.span())
            return about | {
                "min": low,
                "max": high,
                "histogram": profiling.dated(numbers["histogram"]),
            }
        return about | numbers


class _Numbers:
    """Moments, extremes and a histogram, whose edges the sample sets."""

    def __init__(self, sample: NDArray[np.float64]) -> None:
        self._sample = sample[np.isfinite(sample)]
        self._low, self._high = np.inf, -np.inf
        self._n, self._mean, self._squares = 0, 0.0, 0.0
        self._counts = np.zeros(profiling.BINS, dtype=np.int64)
        span = (self._sample.min(), self._sample.max()) if len(self._sample) else (0.0, 1.0)
        if span[1] / 2 - span[0] / 2 > 8e307:
            span = (0.0, 1.0)  # no twenty bins can be told apart from -1e308 to 1e308
        self.edges = np.linspace(span[0], span[1], profiling.BINS + 1)

    def merge(self, batch: Moments) -> None:
        self._low, self._high = min(self._low, batch.low), max(self._high, batch.high)
        with np.errstate(over="ignore", invalid="ignore"):  # squares of numbers beyond 1e154
            step, total = np.float64(batch.mean) - self._mean, self._n + batch.n
            between = step * step * self._n * batch.n / total
            self._squares = float(self._squares + (batch.squares + between))
            self._mean = float(self._mean + step * batch.n / total)
        self._n = total
        self._counts += batch.counts

    def span(self) -> tuple[np.datetime64, np.datetime64]:
        return np.datetime64(int(self._low), "us"), np.datetime64(int(self._high), "us")

    def result(self) -> dict[str, Any]:
        if not self._n:
            return {}
        edges = self.edges.copy()
        edges[0], edges[-1] = min(edges[0], self._low), max(edges[-1], self._high)
        about: dict[str, Any] = {
            "mean": self._mean,
            "std": float(np.sqrt(self._squares / self._n)),
            "min": float(self._low),
            "max": float(self._high),
            "histogram": {"edges": edges.tolist(), "counts": self._counts.tolist()},
        }
        about = {k: v for k, v in about.items() if isinstance(v, dict) or np.isfinite(v)}
        if not len(self._sample):
            return about
        return about | {"sampled": True, **profiling.quantiles_and_bins(self._sample)}


class _Distinct:
    """How many distinct values there are, from the smallest of their hashes."""

    def __init__(self) -> None:
        self._smallest = np.empty(0, dtype=np.uint64)

    def add(self, values: pd.Series) -> None:
        self.merge(smallest(values))

    def merge(self, hashes: NDArray[np.uint64]) -> None:
        if len(self._smallest) == SMALLEST:
            hashes = hashes[hashes < self._smallest[-1]]
        if len(hashes):
            self._smallest = distinct(np.append(self._smallest, hashes))[:SMALLEST]

    def count(self) -> tuple[int, bool]:
        """(how many, whether it is exact)."""
        if len(self._smallest) < SMALLEST:
            return len(self._smallest), True
        return int((SMALLEST - 1) / (float(self._smallest[-1]) / 2.0**64)), False
