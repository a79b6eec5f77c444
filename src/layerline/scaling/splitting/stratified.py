"""`stratified`: at random within each class."""

import numpy as np
import pandas as pd

from layerline.errors import DataError
from layerline.scaling.splitting.shares import Share, require_train_share
from layerline.scaling.splitting.split import TEST, TRAIN, VALID, Labels, SplitInput


def stratified(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """At random within each class, so that every split has each class's share.

    Raises:
        DataError: the target is a number.
    """
    if not rows.is_classification:
        raise DataError("scale.split: `stratified` needs classes; use hash or random for numbers")
    require_train_share(valid, test)
    generator = np.random.default_rng(rows.seed)
    labels = np.full(len(rows), TRAIN)
    codes, classes = pd.factorize(rows.column(rows.target))
    for code in range(len(classes)):
        members = generator.permutation(np.flatnonzero(codes == code))
        n_test, n_both = round(len(members) * test), round(len(members) * (test + valid))
        labels[members[:n_test]] = TEST
        labels[members[n_test:n_both]] = VALID
    return labels
