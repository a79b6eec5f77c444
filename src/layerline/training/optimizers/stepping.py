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
        # On a GPU Python runs ahead of the kernels, and steps are recorded with rates in tensors.
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        self._is_for_us = all(p.device.type == "cpu" for p in parameters)

    def __call__(self, closure: Closure | None = None) -> None:
        if not self._is_for_us:
            self._plain(closure)
            return
        groups = [group for group in self._optimizer.param_groups if group["params"]]
        gradients = [[p.grad for p in group["params"]] for group in groups]
        is_plain = closure is not None or any(g is None for part in gradients for g in part)
        if is_plain or not self._is_current(groups):
            self._plain(closure)
            self._gathered = [] if is_plain else [self._gather(group) for group in groups]
            return
        with torch.no_grad():
            for group, part, own in zip(groups, gradients, self._gathered, strict=True):
                torch._foreach_add_(own.steps, 1)
                self._kernel(
                    own.parameters,
                    part,
                    own.means,
                    own.squares,
                    [],
                    own.steps,
                    lr=group["lr"],
                    beta1=group["betas"][0],
                    beta2=group["betas"][1],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    amsgrad=False,
                    maximize=False,
                )

    def _is_current(self, groups: list[dict[str, Any]]) -> bool:
        """Whether the lists are still the optimizer's: its state may have been loaded."""
        state = self._optimizer.state
        return len(groups) == len(self._gathered) and all(
            len(own.parameters) == len(group["params"])
            and own.parameters[0] is group["params"][0]
            and own.steps[0] is state[own.parameters[0]]["step"]
            and isinstance(group["lr"], float)
            for group, own in zip(groups, self._gathered, strict=True)
        )

    def _gather(self, group: dict[str, Any]) -> "_Gathered":
        parameters = list(group["params"])
        states = [self._optimizer.state[parameter] for parameter in parameters]
        return _Gathered(
            parameters,
            *([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")),
        )


class _Gathered(NamedTuple):
    parameters: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]
