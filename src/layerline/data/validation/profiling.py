"""A short description of every column, for people now and for drift checks later."""

from typing import Any

import numpy as np
import pandas as pd

BINS = 20
TOP_LEVELS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def profile(frame: pd.DataFrame) -> dict[str, Any]:
    """Counts for each column, and its moments, quantiles and histogram, or its commonest levels."""
    columns = {str(name): _column(frame[name]) for name in frame.columns}
    return {"n_rows": len(frame), "columns": columns}


def _column(column: pd.Series) -> dict[str, Any]:
    values = column.dropna()
    about = {
        "dtype": str(column.dtype),
        "count": len(values),
        "missing": int(column.isna().sum()),
        "distinct": int(values.nunique()),
    }
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return about | _numbers(values.to_numpy(dtype=np.float64))
    if pd.api.types.is_datetime64_any_dtype(values):
        span = {"min": str(values.min()), "max": str(values.max())} if len(values) else {}
        return about | span
    top = values.value_counts().iloc[:TOP_LEVELS]
    return about | {"levels": [[_plain(level), int(count)] for level, count in top.items()]}


def _plain(level: Any) -> str | bool:
    return level if isinstance(level, bool) else str(level)


def _numbers(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {}
    counts, edges = np.histogram(finite, bins=BINS)
    return {
        "mean": float(finite.mean()),
        "std": float(finite.std()),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "quantiles": {f"{q:g}": float(np.quantile(finite, q)) for q in QUANTILES},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }
