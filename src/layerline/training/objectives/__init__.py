"""Losses by name. To add one: a builder, a line in LOSSES, and its tasks in TASKS.

A builder takes the facts of the training targets and its own options, and returns
`loss(outputs, targets)`, the mean over the rows of a batch. Outputs (B, O) float32. Targets:
classes as indices (B,) int64 or as shares (B, K) float32, which mixing images makes; numbers
(B,) float32, standardised as `scale.target` says.

classes.py  cross entropy and its kin     numbers.py  errors of numbers
targets.py  what a loss may know of the training targets
links.py    from outputs to the prediction, for losses whose outputs are something else
"""

from collections.abc import Callable
from typing import Any

from layerline.config import Component
from layerline.errors import ParamsError, Problem
from layerline.lookup import pick, read_options
from layerline.training.objectives.classification import binary_cross_entropy, cross_entropy, focal
from layerline.training.objectives.links import IDENTITY, Link, log_link, quantile_link, read_link
from layerline.training.objectives.regression import huber, mae, mse, poisson, quantile
from layerline.training.objectives.target_statistics import (
    Loss,
    MeanOfRows,
    TargetFacts,
    describe_targets,
    losses_of_members,
    value_and_gradient,
)

LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "quantile": quantile,
    "poisson": poisson,
}

_CLASSES = frozenset({"binary", "multiclass"})
_NUMBERS = frozenset({"regression"})

TASKS: dict[str, frozenset[str]] = {
    "cross_entropy": _CLASSES,
    "focal": _CLASSES,
    "binary_cross_entropy": frozenset({"binary"}),
    "mse": _NUMBERS,
    "mae": _NUMBERS,
    "huber": _NUMBERS,
    "quantile": _NUMBERS,
    "poisson": _NUMBERS,
}


def build_loss(component: Component, task: str, facts: TargetFacts | None = None) -> Loss:
    """Build the loss; `auto` is cross entropy for classes and squared error for numbers.

    Raises:
        ParamsError: the loss is not known, or does not fit the task or the targets.
    """
    builder, options = _read(component, task)
    return builder(facts or TargetFacts(), **options)


def n_outputs(component: Component, task: str, n_classes: int | None) -> int:
    """How many outputs the loss needs: K for classes, one for a number, one a quantile.

    Raises:
        ParamsError: the loss is not known, or does not fit the task.
    """
    builder, options = _read(component, task)
    if n_classes is not None:
        return n_classes
    return len(options["levels"]) if builder is quantile else 1


def build_link(component: Component, task: str, facts: TargetFacts | None = None) -> Link:
    """How the outputs of a network trained with this loss become predictions.

    Raises:
        ParamsError: the loss is not known, or does not fit the task.
    """
    builder, options = _read(component, task)
    if builder is quantile:
        return quantile_link(options["levels"])
    return log_link(facts or TargetFacts()) if builder is poisson else IDENTITY


def _read(component: Component, task: str) -> tuple[Callable[..., Loss], dict[str, Any]]:
    name = component.name
    if name == "auto":
        name = "mse" if task == "regression" else "cross_entropy"
    builder = pick(LOSSES, name, "train.loss")
    if task not in TASKS[name]:
        message = f"{name!r} does not fit a {task} task; use `auto`, or another loss"
        raise ParamsError([Problem("train.loss", message)])
    return builder, read_options(builder, component.options, "train.loss")


__all__ = [
    "IDENTITY",
    "LOSSES",
    "TASKS",
    "Link",
    "Loss",
    "MeanOfRows",
    "TargetFacts",
    "build_link",
    "build_loss",
    "describe_targets",
    "losses_of_members",
    "n_outputs",
    "read_link",
    "value_and_gradient",
]
