"""Splits that are too small to use, and the salt that avoids them for a small table.

A hash deals rows as dice do: of ten rows, none may fall to valid. Moving single rows would break
the promise that a row stays where it is; another salt, set once, deals all of them again.
"""

from typing import Any

import numpy as np
import pandas as pd

from layerline.errors import DataError
from layerline.scaling.splitting.row_hash import Hashes, shares_of
from layerline.scaling.splitting.shares import cut
from layerline.scaling.splitting.split import SPLIT_NAMES, TRAIN, Labels

MOST_SALTS = 1000
OFF = 0.25  # of a share, from which on its split is called far off
LEAST_ROWS = {"train": 2, "valid": 1, "test": 1}


def count_rows(labels: Labels) -> dict[str, int]:
    """The rows of each split."""
    return {name: int((labels == code).sum()) for code, name in enumerate(SPLIT_NAMES)}


def check_splits(labels: Labels, classes: Any | None, remedy: str = "") -> dict[str, int]:
    """Count the rows of each split.

    Args:
        labels: (B,) split of each row.
        classes: (B,) class of each row, or None for regression.
        remedy: what the user can do, where it is known; else general advice.

    Raises:
        DataError: a split is empty, or a class has no train row.
    """
    counts = count_rows(labels)
    for name, count in counts.items():
        if count < LEAST_ROWS[name]:
            others = "raise the share, use `method: stratified`, or bring more data"
            raise DataError(
                f"scale.split: only {count} {name} rows of {len(labels)}; at least "
                f"{LEAST_ROWS[name]} are needed: {remedy or others}"
            )
    absent = [] if classes is None else _absent(labels, classes)
    if absent:
        others = "move some of its rows to train, set `method: stratified`, or leave the class out"
        raise DataError(
            f"scale.split: class {absent[0]!r} has no train row, so nothing can learn it; "
            f"{remedy or others}"
        )
    return counts


def share_note(labels: Labels, valid: float, test: float, n_distinct: int) -> str | None:
    """A note where the splits are far from the shares asked for."""
    n_rows = len(labels)
    asked = {"train": 1 - valid - test, "valid": valid, "test": test}
    found = {name: count / n_rows for name, count in count_rows(labels).items()}
    off = [
        name
        for name, share in asked.items()
        if abs(found[name] - share) > max(OFF * share, 4 * (share * (1 - share) / n_rows) ** 0.5)
    ]
    if not off:
        return None
    shown = ", ".join(f"{name} {found[name]:.0%} (asked for: {asked[name]:.0%})" for name in found)
    reason = (
        f"; there are only {n_distinct:,} different rows among {n_rows:,}, and equal rows stay "
        "together: if they are separate observations, use `method: stratified` or `random`"
        if n_distinct * 2 <= n_rows
        else "; groups of rows that stay together are large"
    )
    return f"the splits are far from their shares: {shown}{reason}"


def _absent(labels: Labels, classes: Any) -> list[Any]:
    """The classes without a train row."""
    codes, names = pd.factorize(classes)
    seen = np.bincount(codes[(labels == TRAIN) & (codes >= 0)], minlength=len(names)) > 0
    return sorted(np.asarray(names)[~seen].tolist(), key=str)


def find_salt(
    hashes: Hashes, classes: Any | None, valid: float = 0.15, test: float = 0.2
) -> int | None:
    """The first salt that fills every split at least by half and leaves each class a train row.

    None where there is none, for instance because there are fewer than three distinct rows.
    """
    wanted = {"train": 1 - valid - test, "valid": valid, "test": test}
    n_distinct = len(np.unique(hashes))
    for salt in range(MOST_SALTS):
        labels = cut(shares_of(hashes, salt), valid, test)
        counts = count_rows(labels)
        enough = all(
            counts[name] >= max(LEAST_ROWS[name], int(0.5 * share * n_distinct))
            for name, share in wanted.items()
        )
        if enough and (classes is None or not _absent(labels, classes)):
            return salt
    return None
