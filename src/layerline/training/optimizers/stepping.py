"""An optimizer's step without torch's wrappers around it."""

import inspect
import sys
from collections.abc import Callable
from typing import Any, Protocol

import torch
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

    return run
