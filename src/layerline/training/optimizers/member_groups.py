"""One optimizer for a stack whose members have rates and decays of their own.

It holds the members' parameters, which are views of the stack's: a group of theirs is one as any
other, and a step is the one that each member would take alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from layerline.kernels.optimizer_step import Closure, Step


def join_members(
    build: Callable[..., Optimizer],
    networks: Sequence[nn.Module],
    options: Sequence[Mapping[str, Any]],
) -> Optimizer:
    """The members' groups, member by member, in one optimizer; each built with its options."""
    made = [build(network, **own) for network, own in zip(networks, options, strict=True)]
    for other in made[1:]:
        for group in other.param_groups:
            made[0].add_param_group(group)
    return made[0]


def with_gradients_of(stack: nn.Module, networks: Sequence[nn.Module], step: Step) -> Step:
    """The step, before which each member's parameters receive their part of the stack's."""
    known = {p.data_ptr(): p for network in networks for p in network.parameters()}
    pairs = [(whole, [known[view.data_ptr()] for view in whole]) for whole in stack.parameters()]

    def run(closure: Closure | None = None) -> None:
        for whole, parts in pairs:
            assert whole.grad is not None
            for part, gradient in zip(parts, whole.grad, strict=True):
                part.grad = gradient
        step(closure)

    return run
