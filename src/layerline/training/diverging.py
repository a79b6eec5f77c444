"""How a training that diverged is known, where it did, and the copy that it goes back to."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from layerline.training.records import EpochRecord

WILD = 100.0  # times the first epoch's loss


def first_bad_step(losses: Tensor, history: Sequence[EpochRecord]) -> int | None:
    """The first step whose loss is not finite, or None; `losses` are the steps' of an epoch.

    The last step, when the epoch's loss is out of all proportion to the first epoch's: such a
    training does not come back, it only takes long to reach infinity.
    """
    finite = torch.isfinite(losses)
    if not bool(finite.all()):
        return int((~finite).nonzero()[0])
    usual = max(abs(history[0].train_loss), 1e-3) if history else math.inf
    return len(losses) - 1 if float(losses.double().mean()) > WILD * usual else None


@torch.no_grad()
def first_bad_layer(network: nn.Module, x: Tensor) -> str:
    """The first layer whose output for the rows `x` is not finite, by its name and kind."""
    found: list[str] = []
    handles = [
        module.register_forward_hook(_reporter(f"{name} ({type(module).__name__})", found))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    try:
        network(x)
    finally:
        for handle in handles:
            handle.remove()
    return f"layer {found[0]}" if found else "the loss itself"


def _reporter(name: str, found: list[str]) -> Callable[[nn.Module, object, object], None]:
    def look(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
            found.append(name)

    return look


def copy_state(state: Any, into: Any = None) -> Any:
    """The same nesting with tensors of its own: those of `into`, where it has them."""
    if isinstance(state, Tensor):
        if isinstance(into, Tensor) and (into.shape, into.dtype) == (state.shape, state.dtype):
            return into.copy_(state.detach())
        return state.detach().clone()
    if isinstance(state, dict):
        known = into if isinstance(into, dict) else {}
        return {key: copy_state(item, known.get(key)) for key, item in state.items()}
    if isinstance(state, list | tuple):
        same = isinstance(into, list | tuple) and len(into) == len(state)
        return type(state)(map(copy_state, state, into if same else [None] * len(state)))
    return state
