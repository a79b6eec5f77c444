"""The training loop: tensors in memory, a seeded order of rows per epoch, the best weights kept.

It trains R >= 1 members at once: one network as it is, several as one stacked network. Batches are
taken by index_select: no DataLoader, no copies of unused rows. session.py defines a step,
batching.py cuts an epoch into steps, divergence.py restarts an epoch that diverged; this module
runs epoch after epoch, and resumes.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from layerline.config import TrainSection
from layerline.kernels.ranks import ALONE, Ranks
from layerline.kernels.row_type import row_type
from layerline.training.cooldown import reason_to_stop
from layerline.training.dataset import TrainingData
from layerline.training.device import choose_device, settle_precision
from layerline.training.divergence import (
    Recovery,
    blame_step,
    blame_valid,
    copy_state,
    first_bad_step,
)
from layerline.training.early_stopping import Clock
from layerline.training.epoch_measurement import measure_epoch
from layerline.training.epoch_records import EpochRecord, Listener
from layerline.training.fine_tuning import FineTuning
from layerline.training.member import Member
from layerline.training.prefetch import read_ahead
from layerline.training.sampling import redraw_order
from layerline.training.schedules import Adaptive
from layerline.training.session_builder import build_best, build_session, build_stopping
from layerline.training.snapshots import SnapshotPlace


class Training:
    """The training of R members, from its start or its last snapshot to its end."""

    def __init__(
        self,
        members: Sequence[Member],
        data: TrainingData,
        section: TrainSection,
        fine_tuning: FineTuning | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Prepare the first epoch.

        Raises:
            NotStackableError: there are several members, and no batched form of them.
            ParamsError: a component is unknown or does not fit.
        """
        network = members[0].network
        section = settle_precision(section, network, data.input_shape, data.task)
        device = choose_device(section.device)
        network.to(device)
        self.members = list(members)
        for member in self.members:
            member.best = build_best(section)
        self.data = data.to(device)
        self.section = section
        parts = self.members, self.data, section, fine_tuning, ranks
        self.session, self.plan = build_session(*parts)
        if not section.augment:
            kept = row_type(self.session.network, self.session.precision)
            self.data = self.data.cast_train(kept)
        self.rules = build_stopping(section, data.targets)
        # In a stack there is one rate for all: a member that diverges is left behind.
        self.recovery = Recovery(self.session) if len(self.members) == 1 else None
        self.clock = Clock()
        self.epoch = 1  # the one that runs now
        self.losses: list[Tensor] = []  # () or (R,) each, of this epoch's steps
        self.outputs: Sequence[Tensor] = [torch.empty(0)] * len(self.members)  # of validation rows
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.losses = []
        self.order_states = [member.order.get_state() for member in self.members]
        if self.recovery is not None:
            self.recovery.remember()
        self.clock.begin_epoch()

    @property
    def is_done(self) -> bool:
        return self.epoch > self.section.epochs or all(m.is_done for m in self.members)

    @property
    def leader(self) -> Member | None:
        """Of the members that were in the last epoch, the one that has been best so far."""
        recent = [m for m in self.members if m.history and len(m.history) == self.epoch - 1]
        return min(recent, key=lambda member: member.best.value, default=None)

    def run(self, listener: Listener, snapshots: SnapshotPlace | None = None) -> None:
        """Run what is left; each member that has not diverged ends with its best weights.

        Raises:
            DivergedError: the loss of a network alone was not finite, also with lower rates.
        """
        while not self.is_done:
            self.run_epoch(listener, snapshots)
        self.keep_weights()

    def run_epoch(self, listener: Listener, snapshots: SnapshotPlace | None = None) -> None:
        """Run what is left of this epoch; one that diverged begins again with lower rates.

        Raises:
            DivergedError: lower rates did not help a network alone.
        """
        began = self.epoch
        if not self.losses:  # others may have had their turn
            self.clock.begin_epoch()
        while self.epoch == began:
            self._take_steps(listener, snapshots)
            records = self._measure()
            if self.recovery is not None and records[0] is None:
                self.recovery.go_back(self.epoch, self._blame, listener.report)
                self.losses = []
                self.clock.begin_epoch()
            else:
                self._finish_epoch(records)
        if leader := self.leader:
            listener.on_epoch(leader.history[-1])
        if snapshots is not None and snapshots.is_due():
            snapshots.save(self.state())

    def _take_steps(self, listener: Listener, snapshots: SnapshotPlace | None) -> None:
        self.session.begin_epoch(self.epoch)
        steps = self._steps()
        remaining = steps[len(self.losses) :]
        taken = [self.session.taken(batch) for batch in itertools.chain(*remaining)]
        with read_ahead(self.data.train, taken) as train:
            for batches in remaining:
                self.losses.append(self.session.take(train, batches))
                listener.on_share(self.epoch - 1 + len(self.losses) / len(steps))
                if self.rules.cut_short(self.clock):
                    return
                is_last = len(self.losses) == len(steps)  # the epoch is about to be measured
                if snapshots is not None and not is_last and snapshots.is_due(within_epoch=True):
                    snapshots.save(self.state())

    def _steps(self) -> list[tuple[Tensor, ...]]:
        """The epoch's batches, (B,) or (B, R) each; the same when it is resumed in its middle."""
        train = self.data.train
        orders = [
            redraw_order(train, self.section.sampling, member, begun, is_resumed=bool(self.losses))
            for member, begun in zip(self.members, self.order_states, strict=True)
        ]
        order = orders[0] if len(orders) == 1 else torch.stack(orders, 1)
        return self.plan.cut(order.to(train.positions_device), self.epoch)

    def _measure(self) -> list[EpochRecord | None]:
        """The epoch's record of each member; None for one that diverged."""
        losses = self._losses()
        bad_steps = self._bad_steps(losses)
        if None not in bad_steps:
            return [None] * len(self.members)
        share = len(losses) / self.plan.steps_of(self.epoch)  # less than 1 when time was up
        speed = share * self.plan.n_rows / self.clock.epoch_seconds
        records, self.outputs = measure_epoch(
            self.session, self.members, self.data.valid, losses, self.epoch, speed
        )
        return [
            record if bad_step is None and math.isfinite(record.valid_loss) else None
            for bad_step, record in zip(bad_steps, records, strict=True)
        ]

    def _losses(self) -> Tensor:
        """(steps, R) of this epoch."""
        return torch.stack(self.losses).cpu().view(len(self.losses), -1)

    def _bad_steps(self, losses: Tensor) -> list[int | None]:
        pairs = zip(losses.unbind(1), self.members, strict=True)
        return [first_bad_step(own, member.history) for own, member in pairs]

    def _finish_epoch(self, records: Sequence[EpochRecord | None]) -> None:
        for member, record in zip(self.members, records, strict=True):
            if not member.is_done:
                member.add(record)
        running = [member for member in self.members if not member.is_done]
        values = [member.history[-1].monitored(self.section.monitored) for member in running]
        answers = [o for o, m in zip(self.outputs, self.members, strict=True) if not m.is_done]
        with self.session.averaged():
            for member, value, own in zip(running, values, answers, strict=True):
                is_best = member.best.offer(member.network, value, self.epoch)
                if is_best or self.section.early_stopping is None:
                    member.answers = own if len(self.members) == 1 else own.clone()
        if isinstance(self.session.schedule, Adaptive):
            self.session.schedule.observe(values[0])
        for member in running:
            rules, minutes = self.rules, self.clock.minutes
            member.reason = reason_to_stop(self.session, self.plan, rules, member, minutes)
        self.epoch += 1
        self._begin_epoch()

    def _blame(self) -> str:
        """Where numbers stop being finite; the epoch is run again up to that step."""
        assert self.recovery is not None
        (bad_step,) = self._bad_steps(self._losses())
        if bad_step is None:  # then it was the validation rows that showed it
            return f"epoch {self.epoch}, in {blame_valid(self.session, self.data.valid)}"
        self.losses = []
        self.recovery.restart()
        self.session.begin_epoch(self.epoch)
        steps = self._steps()[: bad_step + 1]
        return f"epoch {self.epoch}, {blame_step(self.session, self.data.train, steps)}"

    def keep_weights(self) -> None:
        """Each member that has not diverged gets its best weights, on the CPU."""
        for member in (m for m in self.members if not m.has_diverged):
            if self.section.early_stopping is None:
                with self.session.averaged():
                    member.best.keep_last(member.network, len(member.history))
            member.best.restore(member.network)
            member.network.to("cpu").eval()

    def state(self) -> dict[str, Any]:
        """Everything, as a snapshot keeps it."""
        recovery = self.recovery
        return {
            "session": self.session.state(),
            "good": recovery.good if recovery and self.losses else None,
            "n_retries": recovery.n_retries if recovery else 0,
            "members": [member.state() for member in self.members],
            "order_states": self.order_states,
            "losses": torch.stack(self.losses) if self.losses else None,
            "epoch": self.epoch,
            "clock": self.clock.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Resume from a `state()`."""
        self.session.load(state["session"])
        for member, kept in zip(self.members, state["members"], strict=True):
            member.load(kept)
        self.epoch = state["epoch"]
        self._begin_epoch()
        if self.recovery is not None:
            self.recovery.n_retries = state["n_retries"]
        if state["losses"] is not None:
            self.losses = list(state["losses"].to(self.data.train.y.device))
            self.order_states = state["order_states"]
            if self.recovery is not None:
                self.recovery.good = copy_state(state["good"])
        self.clock.load(*state["clock"])
