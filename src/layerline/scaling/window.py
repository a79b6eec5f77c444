"""Which train rows a window holds: the last ones, or those of the last days."""

import numpy as np
from numpy.typing import NDArray

from layerline.config import WindowSection
from layerline.scaling.splitting import TRAIN, Labels, SplitInput, moments_of


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
