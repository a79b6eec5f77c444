"""Classes with few validation rows or none: train rows stand in, to choose the epoch by."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from layerline.training.dataset import Rows

FEW_ROWS = 5  # validation rows of a class, with fewer of which its train rows stand in
MOST_ADDED = 20  # one of so many validation rows: more train rows would hide over-fitting
_SHOWN = 3


def stand_in(train: Rows, valid: Rows, classes: Sequence[Any] | None) -> tuple[Rows, str]:
    """The validation rows, with train rows of rare classes; and a note for the user.

    Without a row of a class, the best epoch would be one that never predicts it; with a single row,
    chance would choose it. So rare classes get up to FEW_ROWS rows. Where that would be too many,
    only classes without any row get some, by their share of the train rows.
    """
    if classes is None or valid.is_streamed:
        return valid, ""
    known, held = (
        torch.bincount(rows.y, minlength=len(classes)).tolist() for rows in (train, valid)
    )
    wanted = {
        k: min(FEW_ROWS - held[k], known[k])
        for k in range(len(classes))
        if held[k] < FEW_ROWS and known[k]
    }
    if sum(wanted.values()) * MOST_ADDED > len(valid):
        share = len(valid) / len(train)
        wanted = {k: math.ceil(known[k] * share) for k in wanted if not held[k]}
    if not wanted:
        return valid, ""
    added = torch.cat([torch.nonzero(train.y == k).flatten()[:n] for k, n in wanted.items()])
    x, _ = train.take(added)
    weights = None
    if valid.weights is not None and train.weights is not None:
        weights = torch.cat([valid.weights, train.weights[added]])
    y = torch.cat([valid.y, train.y[added]])
    filled = Rows(torch.cat([valid.x, x]), y, valid.is_streamed, weights=weights)
    names = ", ".join(f"{classes[k]!r} ({held[k]})" for k in list(wanted)[:_SHOWN])
    names += f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
    return filled, (
        f"few validation rows are of class {names}: {len(added)} train rows of such classes stand "
        "in when the best epoch is chosen"
    )
