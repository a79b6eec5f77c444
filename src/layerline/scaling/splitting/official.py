"""`official`: the source's own test rows."""

from layerline.errors import DataError
from layerline.scaling.splitting.by_column import by_column
from layerline.scaling.splitting.shares import Share
from layerline.scaling.splitting.split import Labels, SplitInput


def official(rows: SplitInput, *, valid: Share = 0.15) -> Labels:
    """The source's own test rows; a `valid` share of its train rows, by hash."""
    if rows.official is None:
        raise DataError("scale.split: this source has no official split; use hash, or a column")
    return by_column(rows, column=rows.official, valid=valid)
