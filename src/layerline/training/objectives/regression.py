"""Losses of numbers: outputs (B, 1) or (B, Q), targets (B,), both standardised but for poisson.

Of several targets outputs and targets are (B, T), and a row's loss is the mean over them.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Tensor

from layerline.errors import ParamsError, Problem
from layerline.training.objectives.links import mean_count
from layerline.training.objectives.target_statistics import Constant, Loss, MeanOfRows, TargetFacts


def mse(facts: TargetFacts) -> Loss:
    """Mean squared error, in standardised units."""
    return dataclasses.replace(_of_numbers(F.mse_loss), slope=_mse_slope)


def _mse_slope(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    gap = outputs - y.view_as(outputs)
    return gap.square().mean(), gap.mul_(2 / len(y))


def mae(facts: TargetFacts) -> Loss:
    """Mean absolute error, in standardised units."""
    return _of_numbers(F.l1_loss)


def huber(facts: TargetFacts, *, delta: Annotated[float, Field(gt=0)] = 1.0) -> Loss:
    """Quadratic up to `delta` standard deviations, linear beyond. Source: Huber (1964).

    Options:
        delta: standard deviations up to which the loss is quadratic.
    """
    return _of_numbers(F.huber_loss, delta=delta)


def _of_numbers(function: Callable[..., Tensor], **options: float) -> MeanOfRows:
    """One of torch's losses, for outputs (B, 1)."""
    return MeanOfRows(
        lambda outputs, y: function(outputs.view_as(y), y, **options),
        lambda outputs, y: _by_row(function(outputs.view_as(y), y, reduction="none", **options)),
    )


def _by_row(losses: Tensor) -> Tensor:
    """(B,) as they are; (B, T) -> (B,)."""
    return losses if losses.ndim == 1 else losses.mean(1)


def _ordered(levels: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(levels)):
        raise ValueError("levels must rise")
    if len(levels) > 1 and 0.5 not in levels:
        raise ValueError("0.5 must be among several levels: it is the prediction")
    return levels


Levels = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...],
    Field(min_length=1),
    AfterValidator(_ordered),
]


def quantile(facts: TargetFacts, *, levels: Levels = (0.05, 0.5, 0.95)) -> Loss:
    """Pinball loss, the mean over rows and levels; output q is the quantile of `levels[q]`.

    Options:
        levels: the quantiles that are learnt, rising.

    Source: Koenker and Bassett (1978); sklearn.metrics.mean_pinball_loss.
    """
    over = Constant(torch.tensor(levels))

    def losses(outputs: Tensor, targets: Tensor) -> Tensor:
        gap = targets.unsqueeze(1) - outputs
        share = over.beside(outputs)
        return torch.maximum(share * gap, (share - 1) * gap)

    return MeanOfRows(
        lambda outputs, targets: losses(outputs, targets).mean(),
        lambda outputs, targets: losses(outputs, targets).mean(1),
    )


def poisson(facts: TargetFacts) -> Loss:
    """Poisson loss of a count: the output is the log of the expected count over the mean count.

    In units of the mean count, and without the part that depends on the target alone.

    Raises:
        ParamsError: a target of the train rows is negative.

    Source: McCullagh and Nelder (1989), chapter 6; torch.nn.functional.poisson_nll_loss.
    """
    rounding = 1e-6 * max(facts.scale, abs(facts.center))
    if facts.smallest is not None and facts.smallest < -rounding:
        message = (
            f"'poisson' needs counts, and the smallest target of the train rows is "
            f"{facts.smallest:.6g}; use mse or huber"
        )
        raise ParamsError([Problem("train.loss", message)])
    unit = mean_count(facts)

    def loss(outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        counts = (targets * facts.scale + facts.center) / unit
        logs = outputs.view_as(targets)
        return F.poisson_nll_loss(logs, counts, log_input=True, reduction=reduction)

    return MeanOfRows(loss, partial(loss, reduction="none"))
