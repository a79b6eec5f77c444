"""Optimizers by name. To add one: a builder, a line in OPTIMIZERS.

A builder takes a network and its own options. Weight decay is applied to matrices alone: biases
and norms have no direction in which to over-fit, and decaying them costs accuracy.
"""

import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]


def start_without_compiler() -> None:
    """Keep torch.optim from importing torch's compiler (1.3 s) when nothing is compiled.

    Its methods are wrapped to be left alone by torch.compile, and the wrapper imports the compiler
    on the first call. It looks for this attribute first; where a torch release names it otherwise,
    the import happens as before.
    """
    if "torch._dynamo" in sys.modules:
        return
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        wrapped = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if wrapped is not None:
            wrapped.__dynamo_disable = wrapped


def bare_step(optimizer: Optimizer) -> Callable[[], None]:
    """The optimizer's own step, without torch's wrappers around it (hooks, profiler, compiler).

    The same arithmetic, so the same bytes; a step of a tiny network is a fifth quicker.
    """
    step = inspect.unwrap(type(optimizer).step)

    @torch.no_grad()
    def run() -> None:
        step(optimizer)

    return run


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]


def sgd(
    network: nn.Module,
    *,
    learning_rate: Rate = 0.1,
    momentum: Beta = 0.9,
    nesterov: bool = True,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent. Source: Sutskever et al. (2013) for momentum."""
    return torch.optim.SGD(
        _groups(network, weight_decay),
        lr=learning_rate,
        momentum=momentum,
        nesterov=nesterov and momentum > 0,
        fused=True,
    )


def adam(
    network: nn.Module,
    *,
    learning_rate: Rate = 1e-3,
    beta1: Beta = 0.9,
    beta2: Beta = 0.999,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Adam, weight decay as an L2 gradient. Source: Kingma and Ba (2015)."""
    groups = _groups(network, weight_decay)
    return torch.optim.Adam(groups, lr=learning_rate, betas=(beta1, beta2), fused=True)


def adamw(
    network: nn.Module,
    *,
    learning_rate: Rate = 1e-3,
    beta1: Beta = 0.9,
    beta2: Beta = 0.999,
    weight_decay: Decay = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter (2019)."""
    groups = _groups(network, weight_decay)
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(beta1, beta2), fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
}
