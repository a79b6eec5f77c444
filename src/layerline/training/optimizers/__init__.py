"""Optimizers by name. To add one: a builder in a file of this folder, a line in OPTIMIZERS.

A builder takes a network and its own options and returns a torch Optimizer whose groups each have
a rate `lr`, which the schedule multiplies. Weight decay is applied to matrices alone (groups.py).

gradient.py  one step a batch: sgd, adam, adamw, rmsprop     muon.py  orthogonalised momentum
lbfgs.py     one step on all rows at once                    groups.py    what decays
stepping.py  a step without torch's wrappers around it     splitting.py  rates of their own
"""

from collections.abc import Callable

from torch.optim import Optimizer

from layerline.config import FULL_BATCH
from layerline.kernels.optimizer_step import Step, bare_step, start_without_compiler
from layerline.training.optimizers.first_order import adam, adamw, rmsprop, sgd
from layerline.training.optimizers.lbfgs import lbfgs
from layerline.training.optimizers.muon import muon
from layerline.training.optimizers.rate_groups import split_rates

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "lbfgs": lbfgs,
    "muon": muon,
}

# Element by element, so that the parameters of several networks may lie in one tensor.
STACKABLE = frozenset({"sgd", "adam", "adamw", "rmsprop"})

# Take their rate from a tensor, so that a recorded step can be given another one (graphs.py).
GRAPHABLE = frozenset({"sgd", "adam", "adamw"})

__all__ = [
    "FULL_BATCH",
    "GRAPHABLE",
    "OPTIMIZERS",
    "STACKABLE",
    "Step",
    "bare_step",
    "split_rates",
    "start_without_compiler",
]
