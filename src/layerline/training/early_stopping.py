"""When to stop, and which weights to keep.

Rules end training when it is no better for a while, good enough, or out of time. A rule is a
function that returns its reason or None; StoppingRules holds those that are in use.
"""

import dataclasses
import math
import time
from typing import Any

import torch
from torch import Tensor, nn


@dataclasses.dataclass
class BestWeights:
    """Keeps a copy of the weights with the lowest monitored value so far; ties keep the earlier."""

    min_delta: float = 0.0
    value: float = math.inf
    epoch: int = 0
    weights: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    @torch.no_grad()
    def offer(self, network: nn.Module, value: float, epoch: int) -> bool:
        """Copy the network's weights if `value` is lower than the best by more than `min_delta`.

        After the first time the copy goes into the same tensors, so nothing is allocated.
        """
        if not value < self.value - self.min_delta:
            return False
        self.value, self.epoch = value, epoch
        offered = network.state_dict()
        if self.weights:
            torch._foreach_copy_(list(self.weights.values()), list(offered.values()))
        else:
            self.weights = {name: item.clone() for name, item in offered.items()}
        return True

    def keep_last(self, network: nn.Module, epoch: int) -> None:
        """Keep these weights, whatever was best: nothing was to stop the training."""
        self.value = math.inf
        self.offer(network, 0.0, epoch)

    @torch.no_grad()
    def restore(self, network: nn.Module) -> None:
        """Put the best weights back, bit for bit."""
        network.load_state_dict(self.weights)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors, and what is ready for JSON. The next offer writes into these tensors."""
        value = self.value if math.isfinite(self.value) else None
        return self.weights, {"value": value, "epoch": self.epoch}

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Resume from a `state()`; the tensors are taken over, not copied."""
        self.weights, self.epoch = dict(tensors), numbers["epoch"]
        self.value = math.inf if numbers["value"] is None else numbers["value"]


class Clock:
    """Seconds that a training and its epoch have taken, interruptions left out."""

    def __init__(self) -> None:
        self.load(0.0, 0.0)

    def load(self, seconds: float, epoch_seconds: float) -> None:
        """Resume from a `state()`."""
        now = time.perf_counter()
        self._began, self._epoch_began = now - seconds, now - epoch_seconds

    def begin_epoch(self) -> None:
        """An epoch, or another try of one, begins now."""
        self._epoch_began = time.perf_counter()

    @property
    def epoch_seconds(self) -> float:
        return time.perf_counter() - self._epoch_began

    @property
    def minutes(self) -> float:
        """Of the whole training, epochs that diverged included."""
        return (time.perf_counter() - self._began) / 60

    def state(self) -> tuple[float, float]:
        """Seconds of the training and of the epoch, for `load`."""
        return self.minutes * 60, self.epoch_seconds


@dataclasses.dataclass(frozen=True)
class StoppingRules:
    """The rules in use; None turns a rule off.

    `target` is in the user's unit, which is `unit` times that of the monitored value. A training
    whose patience is over cools down for `cooldown_epochs` before it stops (cooldown.py).
    """

    patience_epochs: int | None = None
    target: float | None = None
    time_minutes: float | None = None
    unit: float = 1.0
    cooldown_epochs: int = 0

    @property
    def without_patience(self) -> "StoppingRules":
        return dataclasses.replace(self, patience_epochs=None, cooldown_epochs=0)

    @property
    def for_several(self) -> "StoppingRules":
        """The rules for what several trainings make together, while each watches its own time.

        They wait for what each gains as it cools down.
        """
        patience = self.patience_epochs
        if patience is not None and self.cooldown_epochs:
            patience = 2 * (patience + self.cooldown_epochs)
        return StoppingRules(patience, self.target, unit=self.unit)

    def reason(self, best: BestWeights, epoch: int, minutes: float) -> str | None:
        """Why training stops after `epoch`, having taken `minutes` with its interruptions left out.

        None: training continues.
        """
        reasons = (
            self.target is not None and reached_target(best, self.target, self.unit),
            self.patience_epochs is not None and no_better(best, epoch, self.patience_epochs),
            self.time_minutes is not None and out_of_time(minutes, self.time_minutes),
        )
        return next((reason for reason in reasons if reason), None)

    def cut_short(self, clock: Clock) -> bool:
        """Whether an epoch ends before its last step: its time is used up."""
        return self.time_minutes is not None and clock.minutes >= self.time_minutes


def no_better(best: BestWeights, epoch: int, patience_epochs: int) -> str | None:
    """A reason once `patience_epochs` have passed since the best epoch.

    >>> no_better(BestWeights(value=0.5, epoch=3), epoch=5, patience_epochs=2)
    'no better for 2 epochs'
    """
    if epoch - best.epoch < patience_epochs:
        return None
    unit = "epoch" if patience_epochs == 1 else "epochs"
    return f"no better for {patience_epochs} {unit}"


def reached_target(best: BestWeights, target: float, unit: float = 1.0) -> str | None:
    """A reason once the monitored value, in units of `unit`, is at or below `target`.

    >>> reached_target(BestWeights(value=0.0799, epoch=3), target=0.08)
    'reached the target: 0.0799 at epoch 3, 0.08 was asked for'
    """
    value = best.value * unit
    if value > target:
        return None
    return f"reached the target: {value:.4g} at epoch {best.epoch}, {target:g} was asked for"


def out_of_time(minutes: float, budget_minutes: float) -> str | None:
    """A reason once the time is used up.

    Where the clock decides, a slower machine keeps other weights: equal bytes are not promised.

    >>> out_of_time(10.2, 10)
    'the time budget of 10 minutes is used up'
    """
    if minutes < budget_minutes:
        return None
    unit = "minute" if budget_minutes == 1 else "minutes"
    return f"the time budget of {budget_minutes:g} {unit} is used up"
