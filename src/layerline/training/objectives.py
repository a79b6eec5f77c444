"""Losses by name. To add one: a builder, a line in LOSSES, and its tasks in TASKS.

A builder returns `loss(outputs, targets)`, the mean over the rows of a batch. Classification:
outputs are logits (B, K), targets class indices (B,) int64. Regression: outputs (B, 1) or (B,),
targets (B,) float32, both standardised.
"""

from collections.abc import Callable
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from layerline.config import Component
from layerline.errors import ParamsError, Problem
from layerline.lookup import pick, read_options

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(*, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Loss:
    """Softmax cross entropy, in nats. Source: torch.nn.functional.cross_entropy."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=label_smoothing)

    return loss


def mse() -> Loss:
    """Mean squared error, in standardised units."""
    return lambda outputs, targets: F.mse_loss(outputs.view_as(targets), targets)


def mae() -> Loss:
    """Mean absolute error, in standardised units."""
    return lambda outputs, targets: F.l1_loss(outputs.view_as(targets), targets)


def huber(*, delta: Annotated[float, Field(gt=0)] = 1.0) -> Loss:
    """Quadratic up to `delta` standard deviations, linear beyond. Source: Huber (1964)."""
    return lambda outputs, targets: F.huber_loss(outputs.view_as(targets), targets, delta=delta)


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": cross_entropy,
    "mse": mse,
    "mae": mae,
    "huber": huber,
}

CLASSIFICATION_LOSSES = frozenset({"cross_entropy"})


def build_loss(component: Component, task: str) -> Loss:
    """Build the loss; `auto` is cross entropy for classes and squared error for numbers.

    Raises:
        ParamsError: the loss is not known, or does not fit the task.
    """
    name = component.name
    if name == "auto":
        name = "mse" if task == "regression" else "cross_entropy"
    builder = pick(LOSSES, name, "train.loss")
    if (name in CLASSIFICATION_LOSSES) == (task == "regression"):
        message = f"{name!r} does not fit a {task} task; use `auto`, or another loss"
        raise ParamsError([Problem("train.loss", message)])
    return builder(**read_options(builder, component.options, "train.loss"))
