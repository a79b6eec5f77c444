"""Splits that the data tell: by a column's word, by the source, by time."""

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from layerline.errors import DataError
from layerline.scaling.splitting.by_share import Share, check_shares
from layerline.scaling.splitting.row_hash import shares_of
from layerline.scaling.splitting.split_input import (
    LEFT_OUT,
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VALID,
    Labels,
    SplitInput,
)

Moment = str | float | None


def by_column(rows: SplitInput, *, column: str, valid: Share = 0.15) -> Labels:
    """As a column says: train, valid, test; `valid` is the share of train rows used if none are."""
    codes, words = pd.factorize(rows.column(column).astype(object))
    wrong = [code for code, word in enumerate(words) if str(word) not in SPLIT_NAMES]
    if wrong or (codes < 0).any():
        found = np.flatnonzero(np.isin(codes, [*wrong, -1]))
        shown = ", ".join(str(row + 1) for row in found[:5])
        first = None if codes[found[0]] < 0 else words[codes[found[0]]]
        raise DataError(
            f"column {column!r} must be train, valid or test, found {first!r} "
            f"(rows {shown}{', …' if len(found) > 5 else ''}); mend the source"
        )
    places = np.array([SPLIT_NAMES.index(str(word)) for word in words], dtype=np.int8)
    labels: Labels = places[codes]
    if not (labels == VALID).any():
        labels[(labels == TRAIN) & (shares_of(rows.row_hashes) < valid)] = VALID
    return labels


def official(rows: SplitInput, *, valid: Share = 0.15) -> Labels:
    """The source's own test rows; a `valid` share of its train rows, by hash."""
    if rows.official is None:
        raise DataError("scale.split: this source has no official split; use hash, or a column")
    return by_column(rows, column=rows.official, valid=valid)


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

    With `gap` (days, for dates) the rows just before valid and just before test are left out: what
    is told of them may already hold what is to be predicted. As the table grows the shares move the
    limits; `valid_from` and `test_from` (a date or a number) fix them.
    """
    check_shares(valid, test)
    moments = _moments(rows, column)
    ordered = np.sort(moments)
    starts = [
        _limit(ordered, share, fixed, name)
        for share, fixed, name in (
            (test + valid, valid_from, "valid_from"),
            (test, test_from, "test_from"),
        )
    ]
    if starts[0] >= starts[1]:
        raise DataError(
            f"scale.split: too few moments in column {column!r}: valid would begin at "
            f"{starts[0]:g}, test at {starts[1]:g}; set valid_from and test_from, or other shares"
        )
    labels = np.select([moments >= starts[1], moments >= starts[0]], [TEST, VALID], TRAIN)
    for start in starts:
        labels[(moments >= start - gap) & (moments < start)] = LEFT_OUT
    return labels


def _moments(rows: SplitInput, column: str) -> NDArray[np.float64]:
    values = rows.column(column)
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
    if not pd.api.types.is_numeric_dtype(values):
        raise DataError(f"scale.split.column: time needs dates or numbers, {column!r} holds text")
    moments: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    gaps = np.flatnonzero(np.isnan(moments))
    if len(gaps):
        raise DataError(
            f"column {column!r} says the time of each row and is missing in {len(gaps)} "
            f"(row {gaps[0] + 1}); set `nullable: false` in the schema and quarantine them"
        )
    return moments


def _limit(ordered: NDArray[np.float64], share: float, fixed: Moment, name: str) -> float:
    if fixed is None:
        n_after = min(max(round(len(ordered) * share), 1), len(ordered))
        return float(ordered[len(ordered) - n_after])
    if isinstance(fixed, str):
        try:
            return float((pd.Timestamp(fixed) - pd.Timestamp(0)) / pd.Timedelta(days=1))
        except ValueError:
            raise DataError(
                f"scale.split.{name}: must be a number, or a date like 2024-12-31, got {fixed!r}"
            ) from None
    return float(fixed)
