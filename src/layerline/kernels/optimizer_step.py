"""An optimizer's step without torch's wrappers around it."""

import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from layerline.kernels.switch import is_on

Closure = Callable[[], Any]


class Step(Protocol):
    """One step. `closure` computes the gradients and returns the loss; only lbfgs needs it."""

    def __call__(self, closure: Closure | None = None) -> None: ...


def start_without_compiler() -> None:
    """Keep torch.optim from importing torch's compiler (1.3 s) when nothing is compiled.

    Its methods are wrapped so that torch.compile skips them, and the wrapper imports the compiler
    on the first call. It looks for this attribute first; where a torch release has another name for
    it, the import happens as before.
    """
    if "torch._dynamo" in sys.modules or not is_on("optimizer_step"):
        return
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        wrapped = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if wrapped is not None:
            wrapped.__dynamo_disable = wrapped


def bare_step(optimizer: Optimizer) -> Step:
    """The optimizer's own step, without torch's wrappers around it (hooks, profiler, compiler).

    The same arithmetic, so the same bytes; a step of a tiny network is a fifth faster.
    """
    is_bare = is_on("optimizer_step")
    step: Any = inspect.unwrap(type(optimizer).step) if is_bare else type(optimizer).step

    @torch.no_grad()
    def run(closure: Closure | None = None) -> None:
        if closure is None:
            step(optimizer)
        else:
            step(optimizer, closure)

    if is_bare and type(optimizer) in (torch.optim.Adam, torch.optim.AdamW):
        return AdamStep(optimizer, run)
    return run


class AdamStep:
    """Adam's fused kernel on lists that are gathered once, not in each step.

    Where torch would do anything else (a first step, another device, a parameter without a
    gradient) the optimizer's plain step runs.

    Source: torch.optim.adam._fused_adam.
    """

    def __init__(self, optimizer: Optimizer, plain: Step) -> None:
        self._optimizer, self._plain = optimizer, plain
        decoupled = isinstance(optimizer, torch.optim.AdamW)
        self._kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._gathered: list[_Gathered] = []
        self._counts = torch.empty(0)  # the step of each parameter; the optimizer holds views of it
        # On a GPU Python runs ahead of the kernels, and recorded steps have their rates in tensors.
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        self._is_on_cpu = all(p.device.type == "cpu" for p in parameters)

    @torch.no_grad()
    def __call__(self, closure: Closure | None = None) -> None:
        gradients = [
            [gradient for p in own.parameters if (gradient := p.grad) is not None]
            for own in self._gathered
        ]
        sizes = [len(own.parameters) for own in self._gathered]
        is_gathered = closure is None and self._is_current()
        if not is_gathered or [len(part) for part in gradients] != sizes:
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
        """Whether the optimizer still has these tensors: its state may have been loaded."""
        groups = [group for group in self._optimizer.param_groups if group["params"]]
        state = self._optimizer.state
        return len(groups) == len(self._gathered) > 0 and all(
            own.group is group
            and own.counts[0] is state[own.parameters[0]]["step"]
            and isinstance(group["lr"], float)
            for own, group in zip(self._gathered, groups, strict=True)
        )

    def _gather(self) -> "list[_Gathered]":
        """Each group's tensors; empty where the plain step has to run."""
        groups = [group for group in self._optimizer.param_groups if group["params"]]
        state = self._optimizer.state
        parameters = [p for group in groups for p in group["params"]]
        if not self._is_on_cpu or any("step" not in state.get(p, {}) for p in parameters):
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
