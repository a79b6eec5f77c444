"""A loss of the user's own, named by its import path: `train.loss: mine.losses:huberish`.

A function `(outputs, targets, *, ...options)`, or a class that options build and that is called so,
such as an nn.Module. Outputs are (B, K) logits and targets (B,) indices of classes, or outputs
(B, 1) and targets (B,) numbers, standardised. It returns the loss of each row (B,), which depends
on that row alone, or one number for the batch.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from layerline.own_code import calling, find_function, find_own, problem, with_options_of
from layerline.training.objectives.target_statistics import Loss, MeanOfRows, TargetFacts

WHERE = "train.loss"
_FORM = "def NAME(outputs, targets, *, ...)"


def find_loss(name: str) -> Callable[..., Loss]:
    """What builds a loss of the user's own from the facts of the targets and its options.

    Raises:
        ParamsError: there is no such file, class or function, or it takes other arguments.
    """
    _, found = find_own(name, WHERE)
    is_class = isinstance(found, type)
    if not is_class:
        found = find_function(name, WHERE, ("outputs", "targets"), _FORM)

    def build(facts: TargetFacts, **options: Any) -> Loss:
        with calling(name, WHERE):
            plain = found(**options) if is_class else functools.partial(found, **options)
        return _checked(name, plain, facts)

    return with_options_of(build, found, name, WHERE, 0 if is_class else 2)


def _checked(name: str, plain: Loss, facts: TargetFacts) -> Loss:
    """The loss, tried on two rows; one of rows where it gives each row's."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        with calling(name, WHERE):
            return plain(outputs, targets)

    is_number = facts.class_counts is None
    outputs = torch.zeros(2, 1 if facts.class_counts is None else len(facts.class_counts))
    targets = torch.zeros(2) if is_number else torch.tensor([0, 1])
    found = loss(outputs.requires_grad_(), targets)
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if shape not in ((), (2,)):
        of = f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}"
        message = f"gives {shape} for {of}, not (2,), a loss of each row, or (), one of the batch"
        raise problem(name, WHERE, message)
    if not found.requires_grad:
        raise problem(name, WHERE, "gives a loss without a gradient; compute it with torch alone")
    if shape == ():
        return loss
    return MeanOfRows(lambda outputs, targets: loss(outputs, targets).mean(), loss)
