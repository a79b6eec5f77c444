"""Muon for the hidden matrices, AdamW for the rest, as one optimizer.

torch.optim.Muon multiplies in bfloat16 everywhere, which takes 30 times as long on a CPU without
bfloat16 units; this one multiplies in float32 there, and takes stacks of matrices too.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim import Optimizer

from layerline.errors import ParamsError, Problem
from layerline.kernels.optimizer_step import Closure, bare_step
from layerline.training.optimizers.parameter_groups import Beta, Decay, Rate, groups

# Makes small singular values grow fastest; they end between 0.7 and 1.2, not at 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def muon(
    network: nn.Module,
    *,
    learning_rate: Rate = 1e-3,
    momentum: Beta = 0.95,
    beta1: Beta = 0.9,
    beta2: Beta = 0.999,
    weight_decay: Decay = 0.01,
) -> Optimizer:
    """Muon for the matrices of hidden linear layers, AdamW for all other parameters.

    The size of Muon's updates is matched to AdamW's, so that one learning rate serves both. A step
    costs thirty products of a layer's matrices, so it pays for large batches.

    Raises:
        ParamsError: there is no hidden linear layer that learns.

    Source: Jordan et al., Muon (2024); Liu et al., Muon is Scalable for LLM Training (2025),
    equation 4 for the size.
    """
    hidden = _hidden_matrices(network)
    if not hidden:
        message = "muon turns matrices of hidden linear layers, and none learns here; use adamw"
        raise ParamsError([Problem("train.optimizer", message)])
    matrices = {"params": hidden, "weight_decay": weight_decay}
    others = groups(network, weight_decay, without=hidden)
    return JoinedOptimizers(
        Muon([matrices], {"lr": learning_rate, "momentum": momentum}),
        torch.optim.AdamW(others, lr=learning_rate, betas=(beta1, beta2), fused=True),
    )


class Muon(Optimizer):
    """Momentum with its singular values made equal. Parameters (..., d_out, d_in)."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        assert closure is None, "JoinedOptimizers calls the closure"
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._step_one(matrix, matrix.grad, group)

    def _step_one(self, matrix: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        update = orthogonalise(gradient.lerp(mean, group["momentum"]))
        size = 0.2 * math.sqrt(max(matrix.shape[-2:]))
        matrix.mul_(1 - group["lr"] * group["weight_decay"])
        matrix.add_(update, alpha=-group["lr"] * size)


def orthogonalise(gradient: Tensor) -> Tensor:
    """The matrices U V' of the gradients U S V' (..., d_out, d_in), nearly: S becomes about 1.

    Source: Jordan et al., Muon (2024): five Newton-Schulz steps of a quintic.
    """
    x = gradient.bfloat16() if gradient.is_cuda else gradient
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(gradient.dtype)


class JoinedOptimizers(Optimizer):
    """Several optimizers as one: their groups in a row, and one state for all.

    The parts read and write the same groups and state, so that schedules and snapshots see an
    optimizer like any other.
    """

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        self._steps = [bare_step(part) for part in parts]
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.regroup()

    def regroup(self) -> None:
        """Take up the groups of the parts, which have changed."""
        self._ends = list(itertools.accumulate(len(part.param_groups) for part in self.parts))
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        self._share()

    def _share(self) -> None:
        for part, end in zip(self.parts, self._ends, strict=True):
            part.param_groups = self.param_groups[end - len(part.param_groups) : end]
            part.state = self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for step in self._steps:
            step()
        return loss


def _hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights of linear layers, but not of the head: it is no map between hidden spaces."""
    linear = [
        module
        for module in network.modules()
        # The weight of a layer with an adapter is computed; what learns are two thin matrices.
        if isinstance(module, nn.Linear) and not is_parametrized(module)
    ]
    head = getattr(network, "head", linear[-1] if linear else None)
    in_head = {id(p) for p in head.parameters()} if isinstance(head, nn.Module) else set()
    named = (module.get_parameter("weight") for module in linear)
    return [weight for weight in named if weight.requires_grad and id(weight) not in in_head]
