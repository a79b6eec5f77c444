"""Losses by name. To add one: a builder, a line in LOSSES.

A builder takes the facts of the training targets and its own options, and returns
`loss(outputs, targets)`, the mean over the rows of a batch. Outputs (B, O) float32. Targets:
classes as indices (B,) int64 or as shares (B, K) float32, which mixing images makes; numbers
(B,) float32, standardised as `scale.target` specifies; several targets (B, T) float32.

classification.py     cross entropy and its relatives
regression.py         errors of numbers, counts, quantiles
own_loss.py           a loss of the user's project
target_statistics.py  what a loss may know of the training targets
links.py              from outputs to the prediction
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from layerline.config import Component
from layerline.errors import ParamsError, Problem
from layerline.lookup import pick, read_options
from layerline.training.objectives.classification import (
    binary_cross_entropy,
    brier,
    cross_entropy,
    focal,
    multilabel_cross_entropy,
    ordinal,
)
from layerline.training.objectives.links import (
    IDENTITY,
    LOGISTIC,
    Link,
    log_link,
    quantile_link,
    read_link,
)
from layerline.training.objectives.own_loss import WHERE, find_loss
from layerline.training.objectives.regression import huber, mae, mse, poisson, quantile
from layerline.training.objectives.target_statistics import (
    Loss,
    MeanOfRows,
    TargetFacts,
    WeightedMean,
    describe_targets,
    losses_of_members,
    value_and_gradient,
    weighted,
)

CLASSES = frozenset({"binary", "multiclass"})
NUMBERS = frozenset({"regression"})
ALL_NUMBERS = NUMBERS | {"multi_regression"}
_AUTO = {"regression": "mse", "multi_regression": "mse", "multilabel": "multilabel_cross_entropy"}


def _identity(facts: TargetFacts, options: Mapping[str, Any]) -> Link:
    return IDENTITY


@dataclasses.dataclass(frozen=True)
class Objective:
    """A loss's builder, the tasks it fits, and the link from its outputs to the prediction."""

    build: Callable[..., Loss]
    tasks: frozenset[str]
    link: Callable[[TargetFacts, Mapping[str, Any]], Link] = _identity


LOSSES: dict[str, Objective] = {
    "cross_entropy": Objective(cross_entropy, CLASSES),
    "focal": Objective(focal, CLASSES),
    "brier": Objective(brier, CLASSES),
    "ordinal": Objective(ordinal, CLASSES),
    "binary_cross_entropy": Objective(binary_cross_entropy, frozenset({"binary"})),
    "multilabel_cross_entropy": Objective(
        multilabel_cross_entropy, frozenset({"multilabel"}), lambda facts, given: LOGISTIC
    ),
    "mse": Objective(mse, ALL_NUMBERS),
    "mae": Objective(mae, ALL_NUMBERS),
    "huber": Objective(huber, ALL_NUMBERS),
    "quantile": Objective(quantile, NUMBERS, lambda facts, given: quantile_link(given["levels"])),
    "poisson": Objective(poisson, NUMBERS, lambda facts, given: log_link(facts)),
}


def find_objective(name: str) -> Objective:
    """The loss of that name, which may be an import path.

    Raises:
        ParamsError: there is none; the message lists the known ones.
    """
    return pick(LOSSES, name, WHERE, lambda own: Objective(find_loss(own), CLASSES | NUMBERS))


def build_loss(
    component: Component, task: str, facts: TargetFacts | None = None, *, has_weights: bool = False
) -> Loss:
    """Build the loss; `auto` is cross entropy for classes and squared error for numbers.

    Of several targets a loss is the mean over these.

    With `has_weights` targets are (B, 2): the target and the weight, of mean 1, of each row.

    Raises:
        ParamsError: the loss is unknown, or does not fit the task or the targets.
    """
    objective, options = _read(component, task)
    loss = objective.build(facts or TargetFacts(), **options)
    if not has_weights:
        return loss
    if not isinstance(loss, MeanOfRows):
        message = (
            f"{component.name!r} with these options is no mean over rows, which row weights need; "
            "use cross_entropy without class_weights, and let the weights hold those of the classes"
        )
        raise ParamsError([Problem("train.loss", message)])
    return weighted(loss, is_classes=task in CLASSES)


def n_outputs(component: Component, task: str, n_classes: int | None, n_targets: int = 1) -> int:
    """How many outputs the loss needs: K for classes, one for a number, a quantile or a target.

    Raises:
        ParamsError: the loss is unknown, or does not fit the task.
    """
    link = build_link(component, task)
    return max(n_targets, len(link.levels)) if n_classes is None else n_classes


def build_link(component: Component, task: str, facts: TargetFacts | None = None) -> Link:
    """How the outputs of a network trained with this loss become predictions.

    Raises:
        ParamsError: the loss is unknown, or does not fit the task.
    """
    objective, options = _read(component, task)
    return objective.link(facts or TargetFacts(), options)


def _read(component: Component, task: str) -> tuple[Objective, dict[str, Any]]:
    name = component.name
    if name == "auto":
        name = _AUTO.get(task, "cross_entropy")
    objective = find_objective(name)
    if task not in objective.tasks:
        message = f"{name!r} does not fit a {task} task; use `auto`, or another loss"
        raise ParamsError([Problem("train.loss", message)])
    return objective, read_options(objective.build, component.options, "train.loss")


__all__ = [
    "ALL_NUMBERS",
    "CLASSES",
    "IDENTITY",
    "LOSSES",
    "NUMBERS",
    "Link",
    "Loss",
    "MeanOfRows",
    "Objective",
    "TargetFacts",
    "WeightedMean",
    "build_link",
    "build_loss",
    "describe_targets",
    "find_loss",
    "find_objective",
    "losses_of_members",
    "n_outputs",
    "read_link",
    "value_and_gradient",
    "weighted",
]
