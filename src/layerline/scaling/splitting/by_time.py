"""`time`: the latest rows are test, those before them valid."""

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from layerline.columns.date import to_days
from layerline.errors import DataError
from layerline.scaling.splitting.shares import Share, require_train_share
from layerline.scaling.splitting.split import LEFT_OUT, TEST, TRAIN, VALID, Labels, SplitInput
from layerline.text import exact

Moment = str | float | None


def by_time(
    rows: SplitInput,
    *,
    column: str,
    valid: Share = 0.15,
    test: Share = 0.2,
    gap: Annotated[float, Field(ge=0)] = 0.0,
    valid_from: Moment = None,
    test_from: Moment = None,
) -> Labels:
    """The latest rows are test, those before them valid; rows of one moment stay together.

    Options:
        column: the column of dates or numbers.
        gap: days (of numbers: units) just before valid and just before test whose rows are left
            out: they may already hold what is to be predicted.
        valid_from: a date or a number from which on rows are valid; null: the shares decide, and
            move as the table grows.
        test_from: the same of test.

    Raises:
        DataError: the column is neither dates nor numbers, has gaps, or has too few moments.
    """
    require_train_share(valid, test)
    moments = moments_of(rows, column)
    ordered = np.sort(moments)
    starts = [
        _limit(ordered, share, fixed, name)
        for share, fixed, name in (
            (test + valid, valid_from, "valid_from"),
            (test, test_from, "test_from"),
        )
    ]
    if starts[0] >= starts[1]:
        is_date = pd.api.types.is_datetime64_any_dtype(rows.column(column))
        valid_start, test_start = (_shown(start, is_date) for start in starts)
        raise DataError(
            f"scale.split: too few distinct times in column {column!r}: valid would start at "
            f"{valid_start}, test at {test_start}; set valid_from and test_from, or other shares"
        )
    labels = np.select([moments >= starts[1], moments >= starts[0]], [TEST, VALID], TRAIN)
    for start in starts:
        labels[(moments >= start - gap) & (moments < start)] = LEFT_OUT
    return labels


def moments_of(rows: SplitInput, column: str) -> NDArray[np.float64]:
    """(B,) the time of each row as a number; of dates the days since 1970.

    Raises:
        DataError: the column is neither dates nor numbers, or has gaps.
    """
    values = rows.column(column)
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
    if not pd.api.types.is_numeric_dtype(values):
        raise DataError(f"scale.split.column: time needs dates or numbers, and {column!r} is text")
    moments: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    gaps = np.flatnonzero(np.isnan(moments))
    if len(gaps):
        raise DataError(
            f"column {column!r} is the time of each row and is missing in {len(gaps)} "
            f"(row {gaps[0] + 1}); set `nullable: false` in the schema and quarantine them"
        )
    return moments


def _limit(ordered: NDArray[np.float64], share: float, fixed: Moment, name: str) -> float:
    if fixed is None:
        n_after = min(max(round(len(ordered) * share), 1), len(ordered))
        return float(ordered[len(ordered) - n_after])
    if isinstance(fixed, str):
        days = to_days(fixed)
        if days is None:
            raise DataError(
                f"scale.split.{name}: must be a number or a date like 2024-12-31, got {fixed!r}"
            )
        return days
    return float(fixed)


def _shown(moment: float, is_date: bool) -> str:
    """A moment as the user has it: of dates the days since 1970."""
    return (
        str(pd.Timestamp(np.datetime64(round(moment * 86_400_000_000), "us")))
        if is_date
        else exact(moment)
    )
