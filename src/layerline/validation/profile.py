"""A short description of every column, for people now and for drift checks later.

`bins` are what a drift check needs: the share of values below each tenth of the distribution, and
how many are missing; new values counted against the same edges give the population stability
index.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BINS = 20
TOP_LEVELS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TENTHS = tuple(n / 10 for n in range(1, 10))


def profile(frame: pd.DataFrame, categories: Collection[str] = ()) -> dict[str, Any]:
    """Counts for each column; its moments, quantiles and histogram, or its most frequent levels.

    Args:
        frame: the rows.
        categories: columns of numbers whose levels are wanted too.
    """
    columns = {str(name): _column(frame[name], name in categories) for name in frame.columns}
    return {"n_rows": len(frame), "columns": columns}


def _column(column: pd.Series, is_category: bool) -> dict[str, Any]:
    values = column.dropna()
    about = {
        "dtype": str(column.dtype),
        "count": len(values),
        "missing": int(column.isna().sum()),
        "distinct": int(values.nunique()),
    }
    if is_number(values) and not is_category:
        return about | _numbers(values.to_numpy(dtype=np.float64))
    if pd.api.types.is_datetime64_any_dtype(values):
        return about | _dates(values)
    counts = {plain_level(level): int(n) for level, n in values.value_counts().items()}
    about |= levels(counts)
    return about | (_numbers(values.to_numpy(dtype=np.float64)) if is_number(values) else {})


def is_number(values: pd.Series) -> bool:
    """Whether a column is described by moments instead of levels."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def plain_level(level: Any) -> str | bool:
    """A level as JSON holds it; a whole number that gaps made a decimal without its point."""
    if isinstance(level, float) and level.is_integer():
        return str(int(level))
    return level if isinstance(level, bool) else str(level)


def levels(counts: dict[str | bool, int]) -> dict[str, Any]:
    """The most frequent levels, and the rows of all others together."""
    top = sorted(counts.items(), key=lambda item: -item[1])[:TOP_LEVELS]
    other = sum(counts.values()) - sum(count for _, count in top)
    about: dict[str, Any] = {"levels": [[level, count] for level, count in top]}
    return about | ({"other": other} if other else {})


def _numbers(values: NDArray[np.float64]) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {}
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # of numbers beyond 1e154 there is no variance
        moments = {"mean": float(finite.mean()), "std": float(finite.std())}
    return {
        **{name: moment for name, moment in moments.items() if np.isfinite(moment)},
        "min": float(finite.min()),
        "max": float(finite.max()),
        "histogram": histogram(finite),
        **quantiles_and_bins(finite),
    }


def quantiles_and_bins(values: NDArray[np.float64]) -> dict[str, Any]:
    """The quantiles a person asks for; and the bins, whose edges are the distribution's tenths.

    Of the bins, the share of values up to each edge, and beyond the last.
    """
    found = _quantile(values, (*QUANTILES, *TENTHS))  # at once: it takes the time of one
    edges = np.unique(found[len(QUANTILES) :])
    up_to = [np.count_nonzero(values <= edge) for edge in edges]
    shares = np.diff([0, *up_to, len(values)]) / len(values)
    return {
        "quantiles": {f"{q:g}": float(v) for q, v in zip(QUANTILES, found, strict=False)},
        "bins": {"edges": edges.tolist(), "shares": shares.tolist()},
    }


def _quantile(values: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.float64]:
    # Between -1e308 and 1e308 nothing can be interpolated: the difference is infinite.
    method: Literal["linear", "nearest"] = "linear" if _has_span(values) else "nearest"
    found: NDArray[np.float64] = np.quantile(values, shares, method=method)
    return found


def _has_span(values: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(values.max() - values.min()))


def histogram(values: NDArray[np.float64]) -> dict[str, Any]:
    """Counts in bins of equal width from the smallest to the largest value."""
    try:
        if not _has_span(values):
            raise ValueError
        counts, edges = np.histogram(values, bins=BINS)
    except ValueError:  # the range is too wide, or too narrow, for twenty bins
        counts, edges = np.array([len(values)]), np.array([values.min(), values.max()])
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _dates(values: pd.Series) -> dict[str, Any]:
    if not len(values):
        return {}
    moments = values.to_numpy().astype("datetime64[us]").astype(np.int64).astype(np.float64)
    return {
        "min": str(values.min()),
        "max": str(values.max()),
        "histogram": dated(histogram(moments)),
    }


def dated(histogram: dict[str, Any]) -> dict[str, Any]:
    """A histogram of microseconds, its edges as dates."""
    return {**histogram, "edges": moments(histogram["edges"])}


def moments(microseconds: Sequence[float]) -> list[str]:
    """Microseconds since 1970 as ISO dates."""
    return [str(np.datetime64(int(edge), "us")) for edge in microseconds]
