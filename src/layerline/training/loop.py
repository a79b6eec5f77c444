"""The training loop: tensors in memory, a seeded order of rows an epoch, the best weights kept.

Batches are taken by index_select: no DataLoader, no copies of rows that are not used. What a step
is stands in session.py, how an epoch is cut in batching.py; here are epochs, their records, the way
back from an epoch that diverged, and resuming.
"""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from layerline.config import TrainSection
from layerline.errors import DivergedError
from layerline.networks.chaining import begins_with_product
from layerline.training.building import build_session, build_stopping
from layerline.training.device import choose_device, settle_precision
from layerline.training.diverging import copy_state, first_bad_layer, first_bad_step
from layerline.training.learning import Learning
from layerline.training.objectives import TargetFacts, build_link, describe_targets
from layerline.training.predicting import predict
from layerline.training.prefetching import read_ahead
from layerline.training.records import EpochRecord, FitResult, Listener, error_of
from layerline.training.rows import Rows
from layerline.training.sampling import draw_order
from layerline.training.schedules import Adaptive
from layerline.training.snapshots import Snapshots
from layerline.training.stopping import BestWeights

MAX_RETRIES = 2
LOWER_RATE = 0.25  # what a retry multiplies the rates by
_LOOKED_AT = 1000  # validation rows, for the layer where numbers stop being finite


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
        if section.precision == "bfloat16" and not section.augment and begins_with_product(network):
            self.train = self.train.cast(torch.bfloat16)  # now, in place of each time it is taken
        self.link = build_link(section.loss, task, facts)
        self.best, self.rules = build_stopping(section)
        self.history: list[EpochRecord] = []
        self.reason: str | None = None
        self.seconds = 0.0  # in finished epochs
        self.n_retries = 0
        self.losses: list[Tensor] = []  # of this epoch's steps
        self.good: dict[str, Any] = {}  # the session when this epoch began
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.losses = []
        self.order_state = self.session.random.get_state()
        self.good = copy_state(self.session.state(), self.good)

    @property
    def epoch(self) -> int:
        """The epoch that runs now, from 1."""
        return len(self.history) + 1

    def run(self, listener: Listener, snapshots: Snapshots | None = None) -> FitResult:
        """Run what is left of the training."""
        while self.reason is None and self.epoch <= self.section.epochs:
            started = time.perf_counter()
            self._take_steps(listener, snapshots)
            losses = torch.stack(self.losses)
            bad_step = first_bad_step(losses, self.history)
            seconds = time.perf_counter() - started
            record = self._measure(losses, seconds) if bad_step is None else None
            if record is None or not math.isfinite(record.valid_loss):
                self._go_back(bad_step, listener)
                continue
            self._finish_epoch(record, time.perf_counter() - started)
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
                is_last = len(self.losses) == len(steps)  # the epoch is about to be measured
                if snapshots is not None and not is_last and snapshots.is_due(within_epoch=True):
                    snapshots.save(self.state())

    def _steps(self) -> list[tuple[Tensor, ...]]:
        """The epoch's batches; the same ones also when it goes on from its middle."""
        random, resumed_at = self.session.random, self.session.random.get_state()
        random.set_state(self.order_state)
        order = draw_order(self.train, self.section.sampling, random)
        if self.losses:
            random.set_state(resumed_at)
        return self.plan.cut(order.to(self.train.positions_device), self.epoch)

    def _measure(self, losses: Tensor, seconds: float) -> EpochRecord:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        with self.session.averaged():
            outputs = predict(self.network, self.valid.x, self.session.precision)
            outputs = outputs.to(self.valid.y.device)
        return EpochRecord(
            epoch=self.epoch,
            train_loss=float(losses.double().mean()),
            valid_loss=float(self.session.loss(outputs, self.valid.y)),
            valid_error=error_of(self.link(outputs), self.valid.y),
            learning_rate=self.session.learning_rate,
            gradient_norm=float(torch.nn.utils.get_total_norm(gradients)),
            rows_per_second=len(self.train) / seconds,
        )

    def _finish_epoch(self, record: EpochRecord, seconds: float) -> None:
        monitored = getattr(record, f"valid_{self.section.monitored}")
        self.history.append(record)
        self.seconds += seconds
        with self.session.averaged():
            self.best.offer(self.network, monitored, record.epoch)
        if isinstance(self.session.schedule, Adaptive):
            self.session.schedule.observe(monitored)
        self.reason = self.rules.reason(self.best, record.epoch, self.seconds / 60)
        self._begin_epoch()

    def _go_back(self, bad_step: int | None, listener: Listener) -> None:
        """Begin the epoch anew from its first step, with lower rates; a few times at most.

        Raises:
            DivergedError: lower rates did not help.
        """
        rate = f"learning rate {self.session.learning_rate:.3g}"
        if self.n_retries == MAX_RETRIES:
            raise DivergedError(
                f"train: the loss diverged at {self._blame(bad_step)}, {rate}, after "
                f"{MAX_RETRIES} retries with lower rates; lower train.optimizer.learning_rate or "
                "set train.clip_norm: 1.0"
            )
        self.n_retries += 1
        listener.say(
            f"the loss diverged in epoch {self.epoch}, {rate}; "
            f"the epoch starts anew with {LOWER_RATE:g} of it"
        )
        self._restart_epoch()

    def _restart_epoch(self) -> None:
        self.session.load(self.good)
        self.session.rate_factor = LOWER_RATE**self.n_retries
        self.losses = []

    def _blame(self, bad_step: int | None) -> str:
        """Where numbers stop being finite: the epoch is run again up to that step.

        Without a bad step it is the validation rows that show it.
        """
        if bad_step is None:
            rows = self.valid
            batch = torch.arange(min(len(rows), _LOOKED_AT), device=rows.positions_device)
            place = f"epoch {self.epoch}"
        else:
            self._restart_epoch()
            self.session.begin_epoch(self.epoch)
            steps, rows = self._steps(), self.train
            for batches in steps[:bad_step]:
                self.session.take(rows, batches)
            batch = steps[bad_step][0]
            place = f"epoch {self.epoch}, step {self.session.step + 1}"
        return f"{place}, in {first_bad_layer(self.network, rows.take(batch)[0].float())}"

    def _finish(self) -> FitResult:
        if self.section.early_stopping is None:
            self.best = BestWeights()
            with self.session.averaged():
                self.best.offer(self.network, 0.0, len(self.history))
        self.best.restore(self.network)
        self.network.to("cpu").eval()
        return FitResult(tuple(self.history), self.best.epoch, self.reason)

    def state(self) -> dict[str, Any]:
        """All of it, as a snapshot keeps it."""
        return {
            "session": self.session.state(),
            "good": self.good if self.losses else None,
            "order_state": self.order_state,
            "losses": torch.stack(self.losses) if self.losses else None,
            "history": [dataclasses.astuple(record) for record in self.history],
            "best": self.best.state(),
            "reason": self.reason,
            "seconds": self.seconds,
            "n_retries": self.n_retries,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.session.load(state["session"])
        self.history = [EpochRecord(*values) for values in state["history"]]
        self.best.load(*state["best"])
        self.reason, self.seconds = state["reason"], state["seconds"]
        self.n_retries = state["n_retries"]
        self._begin_epoch()
        if state["losses"] is not None:
            self.losses = list(state["losses"].to(self.train.y.device))
            self.good, self.order_state = copy_state(state["good"]), state["order_state"]
