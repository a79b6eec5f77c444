"""`random`: a permutation drawn from the seed."""

import numpy as np

from layerline.scaling.splitting.shares import Share, cut
from layerline.scaling.splitting.split import Labels, SplitInput


def at_random(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """By a permutation drawn from the seed; exact shares."""
    order = np.random.default_rng(rows.seed).permutation(len(rows))
    return cut(order / len(rows), valid, test)
