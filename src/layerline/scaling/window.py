"""Which train rows a window holds, the last ones or those of the last days, and their weights."""

import numpy as np
from numpy.typing import NDArray

from layerline.config import WindowSection
from layerline.scaling.splitting import TRAIN, Labels, SplitInput, moments_of

_MOST_HALVINGS = 30.0  # of a weight, which stays above 0


def is_within(rows: SplitInput, labels: Labels, window: WindowSection) -> NDArray[np.bool_]:
    """(B,) whether a row is in the window; that of rows counts train rows alone.

    Raises:
        DataError: the column is neither dates nor numbers, or has gaps.
    """
    if window.days is not None and window.by is not None:
        moments = moments_of(rows, window.by)
        return moments > moments.max() - window.days
    found = np.zeros(len(labels), dtype=bool)
    found[np.flatnonzero(labels == TRAIN)[-(window.rows or 0) :]] = True
    return found


def weights_by_age(rows: SplitInput, labels: Labels, window: WindowSection) -> NDArray[np.float64]:
    """(B,) weights of mean 1 that halve with the age of a train row; of all other rows 1.

    Raises:
        DataError: the column is neither dates nor numbers, or has gaps.
    """
    train = np.flatnonzero(labels == TRAIN)
    if window.half_life_days is not None and window.by is not None:
        moments = moments_of(rows, window.by)[train]
        halvings = (moments.max() - moments) / window.half_life_days
    else:
        halvings = np.arange(len(train))[::-1] / (window.half_life_rows or np.inf)
    found = np.ones(len(labels))
    found[train] = np.exp2(-np.minimum(halvings, _MOST_HALVINGS))
    found[train] /= found[train].mean()
    return found
