"""Classes without a validation row: some of their train rows stand in, to choose the epoch by."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch

from layerline.training.dataset import Rows

_SHOWN = 3


def stand_in(train: Rows, valid: Rows, classes: Sequence[Any] | None) -> tuple[Rows, str]:
    """The validation rows, with train rows of the classes they lack; and a note for the user.

    Without any row of a class, the best epoch would be one that never predicts it. Of each such
    class the first train rows are added, by its share of the train rows.
    """
    if classes is None or valid.is_streamed:
        return valid, ""
    known, held = (torch.bincount(rows.y, minlength=len(classes)) for rows in (train, valid))
    absent = torch.nonzero((held == 0) & (known > 0)).flatten().tolist()
    if not absent:
        return valid, ""
    shares = [math.ceil(len(valid) * int(known[k]) / len(train)) for k in absent]
    added = torch.cat(
        [torch.nonzero(train.y == k).flatten()[:n] for k, n in zip(absent, shares, strict=True)]
    )
    x, y = train.take(added)
    filled = dataclasses.replace(
        valid, x=torch.cat([valid.x, x]), y=torch.cat([valid.y, y]), actual=None
    )
    names = ", ".join(repr(classes[k]) for k in absent[:_SHOWN])
    names += f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
    return filled, (
        f"no validation row is of class {names}: {len(added)} train rows of these classes stand in "
        "when the best epoch is chosen; `scale.split: {method: stratified}` gives each split its "
        "share of every class"
    )
