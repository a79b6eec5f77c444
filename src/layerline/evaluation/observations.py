"""Which rows are one observation: copies of a row, and the rows of one group of the split."""

from typing import Any

import pandas as pd
from numpy.typing import NDArray

from layerline.config import ScaleSection
from layerline.scaling.splitting import SPLITS


def observation_groups(
    ids: NDArray[Any], frame: pd.DataFrame, section: ScaleSection
) -> NDArray[Any]:
    """(B,) equal for rows that are one observation.

    Args:
        ids: (B,) of the rows, equal for copies.
        frame: the rows' columns.
        section: scale, whose split may keep the rows of a group together.
    """
    columns = SPLITS[section.split.name].group_columns(section.split.options)
    if not columns:
        return ids
    return frame.groupby(list(columns), dropna=False).ngroup().to_numpy()
