"""Which train rows a window holds: the last ones, or those of the last days."""

import numpy as np
from numpy.typing import NDArray

from layerline.config import DayWindow, RowWindow
from layerline.scaling.splitting import TRAIN, Labels, SplitInput, moments_of

Window = RowWindow | DayWindow


def is_within(rows: SplitInput, labels: Labels, window: Window) -> NDArray[np.bool_]:
    """(B,) whether a row is in the window; that of rows counts train rows alone.

    Raises:
        DataError: the column is neither dates nor numbers, or has gaps.
    """
    if isinstance(window, DayWindow):
        moments = moments_of(rows, window.by)
        return moments > moments.max() - window.days
    found = np.zeros(len(labels), dtype=bool)
    found[np.flatnonzero(labels == TRAIN)[-window.rows :]] = True
    return found
