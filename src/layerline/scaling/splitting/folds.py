"""K folds for studies: each row is held out once."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import DataError


def assign_folds(
    n_rows: int,
    *,
    n_folds: int,
    seed: int,
    classes: NDArray[np.generic] | None = None,
    groups: NDArray[np.generic] | None = None,
) -> NDArray[np.int8]:
    """The fold of each row, 0 to n_folds - 1; the same for the same seed.

    Args:
        n_rows: B.
        n_folds: k.
        seed: deals the rows.
        classes: (B,) class of each row: every fold has each class's share.
        groups: (B,) rows of one group stay together. The rows' `id`, a hash of their content, keeps
            duplicates together.

    Raises:
        DataError: there are fewer rows, groups, or rows of each class, than folds.

    Source: KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold of sklearn.model_selection.
    """
    from sklearn import model_selection

    _require_enough("rows", n_rows, n_folds)
    if groups is not None:
        _require_enough("groups", len(pd.unique(groups)), n_folds)
    if classes is not None:
        _require_enough("rows of the most frequent class", _commonest(classes), n_folds)
    kinds = {
        (False, False): model_selection.KFold,
        (True, False): model_selection.StratifiedKFold,
        (False, True): model_selection.GroupKFold,
        (True, True): model_selection.StratifiedGroupKFold,
    }
    splitter = kinds[classes is not None, groups is not None](
        n_folds, shuffle=True, random_state=seed
    )
    folds = np.empty(n_rows, dtype=np.int8)
    y = None if classes is None else pd.factorize(classes)[0]
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros((n_rows, 1)), y, groups)):
        folds[held_out] = fold
    return folds


def _commonest(classes: NDArray[np.generic]) -> int:
    return int(pd.Series(classes).value_counts().max())


def _require_enough(what: str, found: int, n_folds: int) -> None:
    if found < n_folds:
        raise DataError(f"{n_folds} folds need at least {n_folds} {what}, found {found}")
