"""An optimizer's step without torch's wrappers around it."""

import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

Closure = Callable[[], Any]


class Step(Protocol):
    """One step. `closure` computes the gradients and returns the loss; only lbfgs needs it."""

    def __call__(self, closure: Closure | None = None) -> None: ...


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


def bare_step(optimizer: Optimizer) -> Step:
    """The optimizer's own step, without torch's wrappers around it (hooks, profiler, compiler).

    The same arithmetic, so the same bytes; a step of a tiny network is a fifth quicker.
    """
    step = inspect.unwrap(type(optimizer).step)

    @torch.no_grad()
    def run(closure: Closure | None = None) -> None:
        if closure is None:
            step(optimizer)
        else:
            step(optimizer, closure)

    if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW):
        return AdamStep(optimizer, run)
    return run


class AdamStep:
    """Adam's fused kernel on lists that are gathered once, not in each step.

    Where torch itself would do anything else (a first step, another device, a parameter without a
    gradient) torch does it.

    Source: torch.optim.adam._fused_adam.
    """

    def __init__(self, optimizer: Optimizer, plain: Step) -> None:
        self._optimizer, self._plain = optimizer, plain
        decoupled = isinstance(optimizer, torch.optim.AdamW)
        self._kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._gathered: list[_Gathered] = []
        self._counts = torch.empty(0)  # the step of each parameter; the optimizer has views of it
        # On a GPU Python runs ahead of the kernels, and steps are recorded with rates in tensors.
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        self._is_for_us = all(p.device.type == "cpu" for p in parameters)

    @torch.no_grad()
    def __call__(self, closure: Closure | None = None) -> None:
        gradients = [
            [gradient for p in own.parameters if (gradient := p.grad) is not None]
            for own in self._gathered
        ]
        sizes = [len(own.parameters) for own in self._gathered]
        is_ours = closure is None and self._is_current()
        if not is_ours or [len(part) for part in gradients] != sizes:
            self._plain(closure)
            self._gathered = self._gather()
            return
        self._counts.add_(1)
        for own, part in zip(self._gathered, gradients, strict=True):
            group = own.group
            self._kernel(
                own.parameters,
                part,
                own.means,
                own.squares,
                [],
                own.counts,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def _is_current(self) -> bool:
        """Whether the lists are still the optimizer's: its state may have been loaded."""
        groups = [group for group in self._optimizer.param_groups if group["params"]]
        state = self._optimizer.state
        return len(groups) == len(self._gathered) > 0 and all(
            own.group is group
            and own.counts[0] is state[own.parameters[0]]["step"]
            and isinstance(group["lr"], float)
            for own, group in zip(self._gathered, groups, strict=True)
        )

    def _gather(self) -> "list[_Gathered]":
        """Each group's tensors; none where torch is to step as it did."""
        groups = [group for group in self._optimizer.param_groups if group["params"]]
        state = self._optimizer.state
        parameters = [p for group in groups for p in group["params"]]
        if not self._is_for_us or any("step" not in state.get(p, {}) for p in parameters):
            return []
        self._counts = torch.stack([state[parameter]["step"] for parameter in parameters])
        for parameter, count in zip(parameters, self._counts.unbind(), strict=True):
            state[parameter]["step"] = count
        names = ("exp_avg", "exp_avg_sq", "step")
        gathered = []
        for group in groups:
            own = group["params"]
            gathered.append(_Gathered(group, own, *([state[p][n] for p in own] for n in names)))
        return gathered


class _Gathered(NamedTuple):
    group: dict[str, Any]
    parameters: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    counts: list[Tensor]
