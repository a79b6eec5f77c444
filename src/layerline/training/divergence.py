"""Divergence: how it is recognised, where it began, and the way back."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from layerline.errors import DivergedError
from layerline.training.dataset import Rows
from layerline.training.device import autocast
from layerline.training.epoch_records import EpochRecord
from layerline.training.session import Session

MAX_RETRIES = 2
LOWER_RATE = 0.25  # what a retry multiplies the rates by
WILD = 100.0  # times the first epoch's loss
# A training that starts near zero, from known weights, may come to WILD times this.
_LEAST_LOSS = 1e-3
_LOOKED_AT = 1000  # validation rows, for the layer where numbers stop being finite


class Recovery:
    """Back to where an epoch began, with lower rates; a few times in a training."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.good: dict[str, Any] = {}  # the session when this epoch began
        self.n_retries = 0

    def remember(self) -> None:
        """An epoch begins here."""
        self.good = copy_state(self.session.state(), self.good)

    def go_back(self, epoch: int, blame: Callable[[], str], report: Callable[[str], None]) -> None:
        """Put the session where the epoch began, with lower rates.

        Args:
            epoch: the one that diverged, from 1.
            blame: finds where it did.
            report: passes a message to the user.

        Raises:
            DivergedError: lower rates did not help.
        """
        rate = f"learning rate {self.session.learning_rates[0]:.3g}"
        if self.n_retries == MAX_RETRIES:
            raise DivergedError(
                f"train: the loss diverged at {blame()}, {rate}, after {MAX_RETRIES} retries with "
                "lower rates; lower train.optimizer.learning_rate or set train.clip_norm: 1.0"
            )
        self.n_retries += 1
        report(
            f"the loss diverged in epoch {epoch}, {rate}; "
            f"restarting the epoch with {LOWER_RATE:g} of that rate"
        )
        self.restart()

    def restart(self) -> None:
        """Restore the start of the epoch, but keep the rates that are in use."""
        self.session.load(self.good)
        self.session.rate_factor = LOWER_RATE**self.n_retries


def blame_step(session: Session, train: Rows, steps: Sequence[Sequence[Tensor]]) -> str:
    """The last of the `steps`, which are taken but for it, and its first layer that is not finite.

    Each step is its batches; the last one is known to end in a loss that is not finite.
    """
    for batches in steps[:-1]:
        session.take(train, batches)
    rows = [session.rows(train, batch)[0] for batch in steps[-1]]
    found = [first_bad_layer(session.network, x, session.precision) for x in rows]
    first = next((layer for layer in found if layer), "the loss itself")
    return f"step {session.step + 1}, in {first}"


def blame_valid(session: Session, valid: Rows) -> str:
    """The first layer that is not finite for validation rows, which see the averaged weights."""
    batch = torch.arange(min(len(valid), _LOOKED_AT), device=valid.positions_device)
    with session.averaged():
        session.network.eval()
        found = first_bad_layer(session.network, valid.take(batch)[0], session.precision)
    return found or "the loss itself"


def first_bad_step(losses: Tensor, history: Sequence[EpochRecord]) -> int | None:
    """The first step whose loss is not finite, or None; `losses` are the steps' of an epoch.

    The last step, when the epoch's loss is out of all proportion to the first epoch's: such a
    training does not recover, it only takes long to reach infinity.
    """
    mean = float(losses.double().mean())
    if not math.isfinite(mean):  # one bad loss is enough for that
        return int((~torch.isfinite(losses)).nonzero()[0])
    usual = max(abs(history[0].train_loss), _LEAST_LOSS) if history else math.inf
    return len(losses) - 1 if mean > WILD * usual else None


@torch.no_grad()
def first_bad_layer(network: nn.Module, x: Tensor, precision: torch.dtype) -> str | None:
    """The first layer whose output for the rows `x` is not finite, by its name and kind."""
    found: list[str] = []
    handles = [
        module.register_forward_hook(_reporter(f"{name} ({type(module).__name__})", found))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    try:
        with autocast(x.device, precision):
            network(x.float())
    finally:
        for handle in handles:
            handle.remove()
    return f"layer {found[0]}" if found else None


def _reporter(name: str, found: list[str]) -> Callable[[nn.Module, object, object], None]:
    def look(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
            found.append(name)

    return look


def copy_state(state: Any, into: Any = None) -> Any:
    """The same nesting with its own tensors: those of `into`, where it has them."""
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
