"""One column of the training rows in a few figures, against which later rows can be counted.

Numbers: `points` are the different values, or where they are many the 2 % quantiles from the
minimum to the maximum, `counts` the rows up to each point and above the one before. Levels: the
rows of each, the most frequent first.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.validation.profile import plain_level

N_INTERVALS = 50
MOST_LEVELS = 1000
_SHARES = np.arange(N_INTERVALS + 1) / N_INTERVALS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColumnSketch:
    """A column of `n_rows` rows; `points` of numbers and dates, `levels` of everything else.

    Attributes:
        is_date: the points are microseconds since 1970.
        is_whole: no row lies between two points: the points are all values there are.
        deviation: the standard deviation of the numbers.
        n_other: rows of levels beyond the MOST_LEVELS listed.
        n_once: rows whose level no other row has.
    """

    n_rows: int
    n_missing: int
    points: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    is_date: bool = False
    is_whole: bool = False
    deviation: float = 0.0
    levels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    n_other: int = 0
    n_once: int = 0

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_missing

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "ColumnSketch":
        """The inverse of `dataclasses.asdict`."""
        parts = {name: tuple(state[name]) for name in ("points", "counts")}
        return cls(**{**state, **parts, "levels": _ranked(state["levels"])})


def sketch(column: pd.Series, *, is_level: bool) -> ColumnSketch:
    """The sketch of a typed column; `is_level` of one whose numbers are names."""
    present = column.dropna()
    n_missing = len(column) - len(present)
    if is_level or not len(present):
        return _of_levels(count_levels(present), len(column), n_missing)
    values = as_numbers(present)
    points = np.unique(values)
    is_whole = len(points) <= N_INTERVALS
    if not is_whole:
        points = np.unique(np.quantile(values, _SHARES, method="inverted_cdf"))
    places = np.searchsorted(points, values)
    return ColumnSketch(
        n_rows=len(column),
        n_missing=n_missing,
        points=tuple(points.tolist()),
        counts=tuple(np.bincount(places).tolist()),
        is_date=pd.api.types.is_datetime64_any_dtype(column),
        is_whole=is_whole,
        deviation=_deviation(values),
    )


def _of_levels(counts: Mapping[str, int], n_rows: int, n_missing: int) -> ColumnSketch:
    ranked = _ranked(counts)
    listed = dict(list(ranked.items())[:MOST_LEVELS])
    return ColumnSketch(
        n_rows=n_rows,
        n_missing=n_missing,
        levels=listed,
        n_other=sum(counts.values()) - sum(listed.values()),
        n_once=sum(count == 1 for count in ranked.values()),
    )


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent level first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _deviation(values: NDArray[np.float64]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        found = float(values.std())
    return found if np.isfinite(found) else 0.0  # of numbers beyond 1e154 there is none


def as_numbers(present: pd.Series) -> NDArray[np.float64]:
    """(B,) numbers, or dates as microseconds since 1970; without gaps."""
    if pd.api.types.is_datetime64_any_dtype(present):
        return present.to_numpy().astype("datetime64[us]").astype(np.int64).astype(np.float64)
    return present.to_numpy(dtype=np.float64)


def count_levels(present: pd.Series) -> Counter[str]:
    """The rows of each level, as JSON names it."""
    counts: Counter[str] = Counter()
    for level, count in present.value_counts().items():
        counts[str(plain_level(level))] += int(count)
    return counts
