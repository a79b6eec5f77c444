"""The head's rows: known classes keep theirs, a number's are turned into the new unit."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from layerline.networks.serialization import NetworkSpec


def rows_by_class(
    theirs: Sequence[Any], ours: Sequence[Any], old: Tensor, fresh: Tensor
) -> tuple[Tensor, list[Any]]:
    """(K, ...) rows: the source's where the class is known, fresh ones elsewhere; the known ones.

    A class is known by its value and type, so that 1 and True are two.
    """
    place = {(type(label), label): k for k, label in enumerate(theirs)}
    rows, known = fresh.clone(), []
    for k, label in enumerate(ours):
        found = place.get((type(label), label))
        if found is not None:
            rows[k] = old[found].to(fresh.dtype)
            known.append(label)
    return rows, known


def rows_in_unit(
    theirs: NetworkSpec, ours: NetworkSpec, old: Tensor, is_bias: bool, has_bias: bool
) -> Tensor:
    """Rows whose outputs, standardised by the new target, are the numbers they were before.

    y = o s + c, so o' = (o s + c - c') / s'. Counts are
    y = f s exp(o), so o' = o + ln(f s / f' s'). Without a bias the shift is left to be learnt.
    """
    if ours.link is not None and ours.link["name"] == "log" and theirs.link is not None:
        ratio = theirs.link["factor"] * theirs.target_scale
        ratio /= ours.link["factor"] * ours.target_scale
        return old + math.log(ratio) if is_bias else old
    rows = old * (theirs.target_scale / ours.target_scale)
    if is_bias and has_bias:
        shift = (theirs.target_center - ours.target_center) / ours.target_scale
        rows = rows + torch.tensor(shift, dtype=rows.dtype)
    return rows
