"""How a training that diverged is known, where it did, and the way back."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from layerline.errors import DivergedError
from layerline.training.dataset import Rows
from layerline.training.device import autocast
from layerline.training.epoch_records import EpochRecord
from layerline.training.state import Session

MAX_RETRIES = 2
LOWER_RATE = 0.25  # what a retry multiplies the rates by
WILD = 100.0  # times the first epoch's loss
# A training that starts near zero, from known weights, may come to WILD times this.
_LEAST_LOSS = 1e-3
_LOOKED_AT = 1000  # validation rows, for the layer where numbers stop being finite


class Recovery:
    """The way back to where an epoch began, with lower rates; a few times in a training."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.good: dict[str, Any] = {}  # the session when this epoch began
        self.n_retries = 0

    def remember(self) -> None:
        """An epoch begins here."""
        self.good = copy_state(self.session.state(), self.good)

    def go_back(self, epoch: int, blame: Callable[[], str], say: Callable[[str], None]) -> None:
        """Put the session where the epoch began, with lower rates.

        Args:
            epoch: the one that diverged, from 1.
            blame: tells where it did.
            say: tells the user.

        Raises:
            DivergedError: lower rates did not help.
        """
        rate = f"learning rate {self.session.learning_rate:.3g}"
        if self.n_retries == MAX_RETRIES:
            raise DivergedError(
                f"train: the loss diverged at {blame()}, {rate}, after {MAX_RETRIES} retries with "
                "lower rates; lower train.optimizer.learning_rate or set train.clip_norm: 1.0"
            )
        self.n_retries += 1
        say(
            f"the loss diverged in epoch {epoch}, {rate}; "
            f"the epoch starts anew with {LOWER_RATE:g} of it"
        )
        self.restart()

    def restart(self) -> None:
        """As the epoch began, but with the rates that are in use."""
        self.session.load(self.good)
        self.session.rate_factor = LOWER_RATE**self.n_retries


def blame_step(session: Session, train: Rows, batches: Sequence[Tensor]) -> str:
    """The layer where the numbers of the step that comes next stop being finite."""
    found = None
    for batch in batches:
        x, _ = session.rows(train, batch)
        found = found or first_bad_layer(session.network, x, session.precision)
    return found or "the loss itself"


def blame_valid(session: Session, valid: Rows) -> str:
    """The layer where they do for validation rows, which are read with the averaged weights."""
    batch = torch.arange(min(len(valid), _LOOKED_AT), device=valid.positions_device)
    with session.averaged():
        session.network.eval()
        found = first_bad_layer(session.network, valid.take(batch)[0], session.precision)
    return found or "the loss itself"


def first_bad_step(losses: Tensor, history: Sequence[EpochRecord]) -> int | None:
    """The first step whose loss is not finite, or None; `losses` are the steps' of an epoch.

    The last step, when the epoch's loss is out of all proportion to the first epoch's: such a
    training does not come back, it only takes long to reach infinity.
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
