"""Optimizers by name. To add one: a builder in a file of this folder, a line in OPTIMIZERS.

A builder takes a network and its own options and returns a torch Optimizer whose groups each have
a rate `lr`, which the schedule multiplies. Weight decay is applied to matrices alone.

first_order.py      one step per batch: sgd, adam, adamw, rmsprop
muon.py             momentum with orthogonal updates
lbfgs.py            one step on all rows at once
parameter_groups.py which parameters decay
rate_groups.py      parameters with separate rates
member_groups.py    members with separate rates and decays
"""

import dataclasses
from collections.abc import Callable

from torch import optim

from layerline.config import TrainSection
from layerline.errors import Problem
from layerline.kernels.optimizer_step import Step, bare_step, start_without_compiler
from layerline.training.optimizers.first_order import adam, adamw, rmsprop, sgd
from layerline.training.optimizers.lbfgs import lbfgs
from layerline.training.optimizers.member_groups import join_members, with_gradients_of
from layerline.training.optimizers.muon import muon
from layerline.training.optimizers.rate_groups import split_rates


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """A builder, and what the training loop must know of what it builds.

    `stackable`: works element by element, so parameters of several networks may share one tensor.
    `graphable`: can read its rate from a tensor, so a recorded CUDA step can be replayed with
    another rate. `full_batch`: evaluates the loss several times a step, on all rows.
    """

    build: Callable[..., optim.Optimizer]
    stackable: bool = False
    graphable: bool = False
    full_batch: bool = False


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, stackable=True, graphable=True),
    "adam": Optimizer(adam, stackable=True, graphable=True),
    "adamw": Optimizer(adamw, stackable=True, graphable=True),
    "rmsprop": Optimizer(rmsprop, stackable=True),
    "lbfgs": Optimizer(lbfgs, full_batch=True),
    "muon": Optimizer(muon),
}


def takes_all_rows(section: TrainSection) -> bool:
    """Whether the optimizer takes one step an epoch, on all rows at once."""
    found = OPTIMIZERS.get(section.optimizer.name)
    return found is not None and found.full_batch


def full_batch_problems(section: TrainSection) -> list[Problem]:
    """The settings of batches that an optimizer of all rows at once cannot use."""
    if not takes_all_rows(section):
        return []
    unused = {"accumulate": 1, "sampling": "shuffled", "augment": ()}
    names = ("batch_growth", "accumulate", "clip_norm", "sampling", "augment")
    message = (
        f"{section.optimizer.name} minimises one loss of all rows, so this setting has no effect; "
        "remove it, or choose another optimizer"
    )
    return [
        Problem(f"train.{name}", message)
        for name in names
        if getattr(section, name) != unused.get(name)
    ]


__all__ = [
    "OPTIMIZERS",
    "Optimizer",
    "Step",
    "bare_step",
    "full_batch_problems",
    "join_members",
    "split_rates",
    "start_without_compiler",
    "takes_all_rows",
    "with_gradients_of",
]
