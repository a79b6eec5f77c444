"""The training loop: tensors in memory, a seeded order of rows an epoch, the best weights kept.

Batches are taken by index_select: no DataLoader, no copies of rows that are not used. What a step
is stands in session.py, how an epoch is cut in batching.py, the way back from an epoch that
diverged in diverging.py; here are epochs, one after the other, and resuming.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from layerline.config import TrainSection
from layerline.kernels.row_type import row_type
from layerline.training.assembly import build_session, build_stopping
from layerline.training.dataset import Rows
from layerline.training.device import choose_device, dtype_of, settle_precision
from layerline.training.divergence import (
    Recovery,
    blame_step,
    blame_valid,
    copy_state,
    first_bad_step,
)
from layerline.training.early_stopping import Clock
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.inference import predict
from layerline.training.objectives import TargetFacts, describe_targets
from layerline.training.prefetch import read_ahead
from layerline.training.sampling import redraw_order
from layerline.training.schedules import Adaptive
from layerline.training.snapshots import Snapshots
from layerline.training.trainable import Learning


def fit(
    network: nn.Module,
    train: Rows,
    valid: Rows,
    section: TrainSection,
    *,
    task: str,
    seed: int,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Train `network` in place; it ends with its best weights, in evaluation mode, on the CPU.

    Without early stopping the last epoch's weights are kept.

    Raises:
        DivergedError: the loss was not finite, also with lower rates; the message says at which
            epoch, step, layer and rate.
        ParamsError: a loss, optimizer or schedule is not known or does not fit.
    """
    training = Training(network, train, valid, section, task=task, seed=seed)
    return training.run(Listener(on_epoch=on_epoch))


class Training:
    """One training, from its start or its last snapshot to its end."""

    def __init__(
        self,
        network: nn.Module,
        train: Rows,
        valid: Rows,
        section: TrainSection,
        *,
        task: str,
        seed: int,
        facts: TargetFacts | None = None,
        learning: Learning | None = None,
    ) -> None:
        section = settle_precision(section, network, tuple(train.x.shape[1:]), task)
        device = choose_device(section.device)
        self.network = network.to(device)
        self.train, self.valid = train.to(device), valid.to(device)
        self.section = section
        facts = facts or describe_targets(train.y)
        self.session, self.plan = build_session(
            network, self.train, section, task=task, seed=seed, facts=facts, learning=learning
        )
        if not section.augment:
            self.train = self.train.cast(row_type(network, dtype_of(section)))
        self.best, self.rules = build_stopping(section, facts)
        self.recovery = Recovery(self.session)
        self.clock = Clock()
        self.history: list[EpochRecord] = []
        self.reason: str | None = None
        self.losses: list[Tensor] = []  # of this epoch's steps
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.losses = []
        self.order_state = self.session.random.get_state()
        self.recovery.remember()
        self.clock.begin_epoch()

    @property
    def epoch(self) -> int:
        """The epoch that runs now, from 1."""
        return len(self.history) + 1

    def run(self, listener: Listener, snapshots: Snapshots | None = None) -> FitResult:
        """Run what is left of the training."""
        while self.reason is None and self.epoch <= self.section.epochs:
            self._take_steps(listener, snapshots)
            losses = torch.stack(self.losses).cpu()
            bad_step = first_bad_step(losses, self.history)
            record = self._measure(losses) if bad_step is None else None
            if record is None or not math.isfinite(record.valid_loss):
                self._go_back(bad_step, listener)
                continue
            self._finish_epoch(record)
            listener.on_epoch(record)
            if snapshots is not None and snapshots.is_due():
                snapshots.save(self.state())
        return self._finish()

    def _take_steps(self, listener: Listener, snapshots: Snapshots | None) -> None:
        self.session.begin_epoch(self.epoch)
        steps = self._steps()
        left = steps[len(self.losses) :]
        with read_ahead(self.train, list(itertools.chain(*left))) as train:
            for batches in left:
                self.losses.append(self.session.take(train, batches))
                listener.on_share(len(self.history) + len(self.losses) / len(steps))
                if self.rules.cut_short(self.clock):
                    return
                is_last = len(self.losses) == len(steps)  # the epoch is about to be measured
                if snapshots is not None and not is_last and snapshots.is_due(within_epoch=True):
                    snapshots.save(self.state())

    def _steps(self) -> list[tuple[Tensor, ...]]:
        """The epoch's batches; the same ones also when it goes on from its middle."""
        order = redraw_order(
            self.train,
            self.section.sampling,
            self.session.random,
            self.order_state,
            is_resumed=bool(self.losses),
        )
        return self.plan.cut(order.to(self.train.positions_device), self.epoch)

    def _measure(self, losses: Tensor) -> EpochRecord:
        share = len(losses) / self.plan.steps_of(self.epoch)  # less than 1 when time was up
        speed = share * len(self.train) / self.clock.epoch_seconds
        norm = float(self.session.gradient_norm())
        with self.session.averaged():
            outputs = predict(self.network, self.valid.x, self.session.precision)
        y = self.valid.y
        return self.session.measure(self.epoch, losses, norm, outputs.to(y.device), y, speed)

    def _finish_epoch(self, record: EpochRecord) -> None:
        monitored = record.monitored(self.section.monitored)
        self.history.append(record)
        with self.session.averaged():
            self.best.offer(self.network, monitored, record.epoch)
        if isinstance(self.session.schedule, Adaptive):
            self.session.schedule.observe(monitored)
        self.reason = self.rules.reason(self.best, record.epoch, self.clock.minutes)
        self._begin_epoch()

    def _go_back(self, bad_step: int | None, listener: Listener) -> None:
        """Begin the epoch anew from its first step, with lower rates.

        Raises:
            DivergedError: lower rates did not help.
        """
        self.recovery.go_back(self.epoch, lambda: self._blame(bad_step), listener.say)
        self.losses = []
        self.clock.begin_epoch()

    def _blame(self, bad_step: int | None) -> str:
        """Where numbers stop being finite: the epoch is run again up to that step.

        Without a bad step it is the validation rows that show it.
        """
        if bad_step is None:
            return f"epoch {self.epoch}, in {blame_valid(self.session, self.valid)}"
        self.losses = []
        self.recovery.restart()
        self.session.begin_epoch(self.epoch)
        steps = self._steps()
        for batches in steps[:bad_step]:
            self.session.take(self.train, batches)
        place = f"epoch {self.epoch}, step {self.session.step + 1}"
        return f"{place}, in {blame_step(self.session, self.train, steps[bad_step])}"

    def _finish(self) -> FitResult:
        if self.section.early_stopping is None:
            with self.session.averaged():
                self.best.keep_last(self.network, len(self.history))
        self.best.restore(self.network)
        self.network.to("cpu").eval()
        return FitResult(tuple(self.history), self.best.epoch, self.reason)

    def state(self) -> dict[str, Any]:
        """All of it, as a snapshot keeps it."""
        return {
            "session": self.session.state(),
            "good": self.recovery.good if self.losses else None,
            "n_retries": self.recovery.n_retries,
            "order_state": self.order_state,
            "losses": torch.stack(self.losses) if self.losses else None,
            "history": [dataclasses.astuple(record) for record in self.history],
            "best": self.best.state(),
            "reason": self.reason,
            "clock": self.clock.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.session.load(state["session"])
        self.history = [EpochRecord(*values) for values in state["history"]]
        self.best.load(*state["best"])
        self.reason = state["reason"]
        self._begin_epoch()
        self.recovery.n_retries = state["n_retries"]
        if state["losses"] is not None:
            self.losses = list(state["losses"].to(self.train.y.device))
            self.recovery.good = copy_state(state["good"])
            self.order_state = state["order_state"]
        self.clock.load(*state["clock"])
