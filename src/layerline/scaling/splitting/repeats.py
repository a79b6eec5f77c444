"""Rows with equal features: copies of one record, or observations of one kind.

Copies must share a split, or the model is tested on rows that it has learnt. But where a table has
few columns of few values, equal features mean the same kind of thing observed again; dealt as one,
each kind would be wholly in train or wholly in test, and the splits far from their shares.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.scaling.splitting.row_hash import Hashes, shares_of
from layerline.scaling.splitting.shares import cut
from layerline.scaling.splitting.split import Labels

# From so many rows with equal features and unequal targets on, they count as observations. Fixed,
# so that a kind changes sides once in the life of a growing table.
LEAST_OBSERVATIONS = 20

_STEP = 0x9E3779B97F4A7C15


def separate_observations(hashes: Hashes, read_target: Callable[[], pd.Series]) -> Hashes:
    """Hashes that tell repeated observations apart; those of all other rows stay as they are.

    A row's new hash is that of its features and of its count among the equal ones before it, so it
    stays the same while rows are appended.

    Args:
        hashes: (B,) of each row's features.
        read_target: the targets (B,); called only where features repeat that often.

    >>> same = np.full(40, 7, dtype=np.uint64)
    >>> len(np.unique(separate_observations(same, lambda: pd.Series([0, 1] * 20))))
    40
    >>> len(np.unique(separate_observations(same, lambda: pd.Series([1] * 40))))
    1
    """
    ordered = np.sort(hashes)  # a tenth of what it takes to find their order
    if not (ordered[LEAST_OBSERVATIONS - 1 :] == ordered[: 1 - LEAST_OBSERVATIONS]).any():
        return hashes
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else order
    counts = np.diff(np.r_[starts, len(order)])
    if not (counts >= LEAST_OBSERVATIONS).any():
        return hashes
    codes = pd.factorize(read_target())[0][order]
    differ = np.minimum.reduceat(codes, starts) != np.maximum.reduceat(codes, starts)
    apart = np.repeat(differ & (counts >= LEAST_OBSERVATIONS), counts)
    number = np.arange(len(order)) - np.repeat(starts, counts)
    separated = hashes.copy()
    separated[order[apart]] = _mixed(ordered[apart], number[apart].astype(np.uint64))
    return separated


def _mixed(hashes: Hashes, numbers: NDArray[np.uint64]) -> Hashes:
    """Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators (2014)."""
    mixed = hashes + (numbers + np.uint64(1)) * np.uint64(_STEP)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def repeat(n_distinct: int, n_rows: int) -> bool:
    """Whether the rows are mostly copies: at least two of each on average."""
    return n_distinct * 2 <= n_rows


def deal_by_weight(hashes: Hashes, salt: int, valid: float, test: float) -> Labels:
    """The split by hash where rows repeat: equal rows stay together, and count by their number.

    Groups of equal rows keep the order of their hashes, and each goes where its middle row falls
    among all rows. So the shares are right, whatever the sizes of the groups; as the table grows,
    the groups at a border can change sides.
    """
    _, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    position = shares_of(hashes[np.unique(places, return_index=True)[1]], salt)
    order = np.argsort(position, kind="stable")
    ends = np.cumsum(counts[order])
    middle = np.empty(len(order))
    middle[order] = (ends - counts[order] / 2) / len(hashes)
    labels: Labels = cut(middle, valid, test)[places]
    return labels
