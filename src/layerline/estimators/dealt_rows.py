"""The table that an estimator's stages read: rows with their target, split and weight.

Stages read three splits, and the rows that early stopping looks at are also those for testing,
which nobody reads: who uses scikit-learn tests with its own splits.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from layerline.config import Task
from layerline.estimators.user_table import TARGET, WEIGHT, free_name
from layerline.projects.init import SPLIT_NAME
from layerline.scaling.splitting import hash_rows, separate_observations
from layerline.scaling.splitting.row_hash import shares_of

FEW_ROWS = 50  # below it all rows are trained on, and no others choose the epoch
LEAST_VALID = 5
Mask = NDArray[np.bool_]


class Given(NamedTuple):
    """What `fit` was given: rows with names, their targets (B,), and what each counts (B,)."""

    rows: pd.DataFrame
    target: NDArray[Any]
    weights: NDArray[np.float64] | None = None

    def weighed(self, sample_weight: Any) -> "Given":
        """With these weights; rows of weight 0 are left out, as if they had not been given.

        Raises:
            ValueError: they are not one number of at least 0 for each row, or all are 0.
        """
        if sample_weight is None:
            return self
        weights = _check_sample_weight(
            sample_weight, self.rows, dtype=np.float64, ensure_non_negative=True
        )
        counts = weights > 0
        return Given(self.rows[counts], self.target[counts], weights[counts])


class Dealt(NamedTuple):
    """The table, the names of its target and weights, and whether all rows are in every split."""

    table: pd.DataFrame
    target: str
    weights: str | None
    is_small: bool


def deal(given: Given, share: float, task: Task) -> Dealt:
    """Deal the rows: a share of them, by the hash of their content, is for early stopping.

    Raises:
        ValueError: a column has the name that the split needs.
    """
    rows = given.rows
    if SPLIT_NAME in rows:
        raise ValueError(f"a column may not be named {SPLIT_NAME!r}; rename it")
    target = free_name(rows, TARGET)
    table = rows.assign(**{target: given.target})
    weights = None
    # Equal weights say nothing: without them the network is the same, to the byte.
    if given.weights is not None and np.ptp(given.weights) > 0:
        weights = free_name(table, WEIGHT)
        table[weights] = given.weights
    valid = _valid_rows(rows, given.target, share, None if task == "regression" else given.target)
    is_small = bool(valid.all())
    parts = {"train": valid if is_small else ~valid, "valid": valid, "test": valid}
    dealt = [table[chosen].assign(**{SPLIT_NAME: part}) for part, chosen in parts.items()]
    return Dealt(pd.concat(dealt), target, weights, is_small)


def _valid_rows(
    rows: pd.DataFrame, target: NDArray[Any], share: float, labels: NDArray[Any] | None
) -> Mask:
    """(B,) the rows that early stopping looks at; all of them where there are few.

    Args:
        rows: the features.
        target: of each row.
        share: of the rows that are to be chosen.
        labels: the class of each row; None for a regression.
    """
    hashes = separate_observations(hash_rows(rows), lambda: pd.Series(target))
    valid: Mask = shares_of(hashes) < share
    if labels is not None:
        learnt = np.bincount(labels[~valid], minlength=labels.max() + 1) > 0
        valid &= learnt[labels]
    if len(rows) < FEW_ROWS or valid.sum() < LEAST_VALID or (~valid).sum() < LEAST_VALID:
        return np.ones(len(rows), dtype=np.bool_)
    return valid
