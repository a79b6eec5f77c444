"""Separate learning rates for some parameters."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from layerline.training.optimizers.muon import JoinedOptimizers


def split_rates(optimizer: Optimizer, factors: Mapping[nn.Parameter, float]) -> None:
    """Give parameters separate learning rates: each group becomes one group a factor, in place.

    Args:
        optimizer: one that has taken no step yet.
        factors: what a parameter's rate is multiplied by; 1 for those not named.
    """
    for part in optimizer.parts if isinstance(optimizer, JoinedOptimizers) else (optimizer,):
        part.param_groups = [
            piece for group in part.param_groups for piece in _pieces(group, factors)
        ]
    if isinstance(optimizer, JoinedOptimizers):
        optimizer.regroup()


def _pieces(group: dict[str, Any], factors: Mapping[nn.Parameter, float]) -> list[dict[str, Any]]:
    """The group's parameters by their factor, the fastest first; an empty group stays one."""
    by_factor: dict[float, list[nn.Parameter]] = {} if group["params"] else {1.0: []}
    for parameter in group["params"]:
        by_factor.setdefault(factors.get(parameter, 1.0), []).append(parameter)
    return [
        {**group, "params": some, "lr": group["lr"] * factor}
        for factor, some in sorted(by_factor.items(), reverse=True)
    ]
