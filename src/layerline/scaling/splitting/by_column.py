"""`column`: a column holds train, valid or test."""

import numpy as np
import pandas as pd

from layerline.errors import DataError
from layerline.scaling.splitting.row_hash import shares_of
from layerline.scaling.splitting.shares import Share
from layerline.scaling.splitting.split import SPLIT_NAMES, TRAIN, VALID, Labels, SplitInput


def by_column(rows: SplitInput, *, column: str, valid: Share = 0.15) -> Labels:
    """By the column's value; where no row is valid, a `valid` share of the train rows becomes so.

    Options:
        column: the column with the values train, valid and test.

    Raises:
        DataError: another value, or a gap.
    """
    codes, words = pd.factorize(rows.column(column).astype(object))
    wrong = [code for code, word in enumerate(words) if str(word) not in SPLIT_NAMES]
    if wrong or (codes < 0).any():
        found = np.flatnonzero(np.isin(codes, [*wrong, -1]))
        shown = ", ".join(str(row + 1) for row in found[:5])
        first = None if codes[found[0]] < 0 else words[codes[found[0]]]
        raise DataError(
            f"column {column!r} must be train, valid or test, found {first!r} "
            f"(rows {shown}{', …' if len(found) > 5 else ''}); fix the source"
        )
    places = np.array([SPLIT_NAMES.index(str(word)) for word in words], dtype=np.int8)
    labels: Labels = places[codes]
    if not (labels == VALID).any():
        labels[(labels == TRAIN) & (shares_of(rows.row_hashes) < valid)] = VALID
    return labels
