"""Optimizers that take one step a batch along a smoothed gradient."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from layerline.training.optimizers.parameter_groups import Beta, Decay, Rate, groups

Tiny = Annotated[float, Field(gt=0, description="Added to what is divided by.")]


def sgd(
    network: nn.Module,
    *,
    learning_rate: Rate = 0.1,
    momentum: Beta = 0.9,
    nesterov: bool = True,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent. Source: Sutskever et al. (2013) for momentum.

    Options:
        nesterov: look ahead by the momentum.
    """
    return torch.optim.SGD(
        groups(network, weight_decay),
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
    epsilon: Tiny = 1e-8,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Adam, weight decay as an L2 gradient. Source: Kingma and Ba (2015)."""
    parts, betas = groups(network, weight_decay), (beta1, beta2)
    return torch.optim.Adam(parts, lr=learning_rate, betas=betas, eps=epsilon, fused=True)


def adamw(
    network: nn.Module,
    *,
    learning_rate: Rate = 1e-3,
    beta1: Beta = 0.9,
    beta2: Beta = 0.999,
    epsilon: Tiny = 1e-8,
    weight_decay: Decay = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter (2019)."""
    parts, betas = groups(network, weight_decay), (beta1, beta2)
    return torch.optim.AdamW(parts, lr=learning_rate, betas=betas, eps=epsilon, fused=True)


def rmsprop(
    network: nn.Module,
    *,
    learning_rate: Rate = 1e-3,
    smoothing: Beta = 0.99,
    epsilon: Tiny = 1e-8,
    momentum: Beta = 0.0,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Gradient over a running root mean square. Source: Hinton, Coursera lecture 6e (2012)."""
    return torch.optim.RMSprop(
        groups(network, weight_decay),
        lr=learning_rate,
        alpha=smoothing,
        eps=epsilon,
        momentum=momentum,
        foreach=True,  # torch has no fused one
    )
