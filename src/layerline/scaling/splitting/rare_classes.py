"""Classes of a few rows, which chance may leave out of a split."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.scaling.splitting.row_hash import Hashes
from layerline.scaling.splitting.split import TEST, TRAIN, VALID, Labels
from layerline.text import plural

MOST_ROWS = 50  # in a class that chance may leave out of a split
FEW_ROWS = 10  # of a class in a split: too few for its figures to mean much
_SHOWN = 3


def deal_rare_classes(
    labels: Labels, classes: pd.Series, hashes: Hashes, valid: float, test: float
) -> Labels:
    """The splits, with the rows of rare classes dealt again where a split has none of them.

    Such a class gets at least one row in each split, and about the shares asked for. Its rows are
    dealt in the order of their hashes; equal rows stay together.

    Args:
        labels: (B,) split of each row.
        classes: (B,) class of each row.
        hashes: (B,) of each row.
        valid: the share of validation rows.
        test: the share of test rows.
    """
    dealt = labels.copy()
    codes, names = pd.factorize(classes)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    for code in np.flatnonzero(counts <= MOST_ROWS):
        members = np.flatnonzero(codes == code)
        if len(np.unique(labels[members])) < len((TRAIN, VALID, TEST)):
            dealt[members] = _dealt(hashes[members], valid, test)
    return dealt


def _dealt(hashes: Hashes, valid: float, test: float) -> Labels:
    """Test rows first, then valid rows, as a split by hash; a single distinct row is for train."""
    distinct, places = np.unique(hashes, return_inverse=True)
    n_test = min(max(round(len(distinct) * test), 1), len(distinct) - 1)
    n_valid = min(max(round(len(distinct) * valid), 1), max(len(distinct) - n_test - 1, 0))
    by_rank = np.full(len(distinct), TRAIN)
    by_rank[: n_test + n_valid] = VALID
    by_rank[:n_test] = TEST
    labels: Labels = by_rank[places]
    return labels


def rare_class_note(labels: Labels, classes: pd.Series) -> str | None:
    """A warning about classes of which a split has so few rows that figures of them mean little."""
    codes, names = pd.factorize(classes)
    tables = [
        np.bincount(codes[(labels == k) & (codes >= 0)], minlength=len(names)) for k in range(3)
    ]
    fewest: NDArray[np.int64] = np.minimum(tables[VALID], tables[TEST])
    rare = np.flatnonzero(fewest < FEW_ROWS)
    if not len(rare):
        return None
    rare = rare[np.argsort(fewest[rare], kind="stable")]
    labels_of = names.tolist()  # plain values, as messages have them
    shown = "; ".join(
        f"class {labels_of[k]!r} has {tables[TRAIN][k]} train, {tables[VALID][k]} validation and "
        f"{tables[TEST][k]} test rows"
        for k in rare[:_SHOWN]
    )
    more = f"; and {len(rare) - _SHOWN} more classes" if len(rare) > _SHOWN else ""
    n_test = int(tables[TEST][rare[0]])
    lower = 0.025 ** (1 / n_test) if n_test else 0.0  # Clopper and Pearson's, with all of n found
    return (
        f"{shown}{more}: figures of so few rows are rough (a recall of 100 % on "
        f"{plural(n_test, 'test row')} has a 95 % interval from {lower:.0%}); more rows of the "
        "class help, or folds of a study"
    )
