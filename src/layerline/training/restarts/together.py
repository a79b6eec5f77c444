"""The epochs of several networks that are trained as one stack."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from layerline.config import TrainSection
from layerline.networks.stack import NotStackableError, stack_networks
from layerline.training.assembly import build_session, build_stopping
from layerline.training.dataset import Rows
from layerline.training.device import autocast, settle_precision
from layerline.training.divergence import first_bad_step
from layerline.training.early_stopping import BestWeights, Clock
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.inference import rows_at_once
from layerline.training.objectives import TargetFacts
from layerline.training.restarts.session import JointSession
from layerline.training.sampling import redraw_order
from layerline.training.schedules import Adaptive
from layerline.training.snapshots import Snapshots


@dataclasses.dataclass
class Member:
    """One seed: its network, which shares the stack's weights, and what it has done so far.

    One that has stopped, for `reason`, still takes its part in the steps; nobody looks at it.
    """

    seed: int
    network: nn.Module
    order: Generator
    best: BestWeights
    history: list[EpochRecord] = dataclasses.field(default_factory=list)
    reason: str | None = None
    has_diverged: bool = False

    @property
    def is_done(self) -> bool:
        return self.reason is not None or self.has_diverged

    @property
    def result(self) -> FitResult:
        return FitResult(tuple(self.history), self.best.epoch, self.reason)

    def state(self) -> dict[str, Any]:
        """All that is not in the session."""
        return {
            "best": self.best.state(),
            "history": [dataclasses.astuple(record) for record in self.history],
            "reason": self.reason,
            "has_diverged": self.has_diverged,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.best.load(*state["best"])
        self.history = [EpochRecord(*values) for values in state["history"]]
        self.reason, self.has_diverged = state["reason"], state["has_diverged"]


class Together:
    """One training of several networks at once, from its start or last snapshot to its end."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        dropouts: Sequence[Generator],
        rows: tuple[Rows, Rows],
        section: TrainSection,
        *,
        task: str,
        seed: int,
        facts: TargetFacts,
    ) -> None:
        """Networks with the weights of `seed`, `seed + 1`, ..., and the states that drew them.

        Raises:
            NotStackableError: such networks have no batched form.
        """
        self.train, self.valid = rows
        section = settle_precision(section, networks[0], tuple(self.train.x.shape[1:]), task)
        self.section = section
        self.members = [
            Member(
                seed + k,
                network,
                Generator().manual_seed(seed + k),
                build_stopping(section, facts)[0],
            )
            for k, network in enumerate(networks)
        ]
        self.rules = build_stopping(section, facts)[1]
        self.stack = stack_networks(networks, dropouts)
        single, self.plan = build_session(
            self.stack, self.train, section, task=task, seed=seed, facts=facts
        )
        if isinstance(single.schedule, Adaptive):  # each member would need a rate of its own
            raise NotStackableError(section.schedule.name)
        parts = {f.name: getattr(single, f.name) for f in dataclasses.fields(single) if f.init}
        orders = [member.order for member in self.members]
        self.session = JointSession(**parts, orders=orders, dropouts=dropouts)
        self.clock = Clock()
        self.epoch = 1
        self.losses: list[Tensor] = []  # (R,) each, of this epoch's steps
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.losses = []
        self.order_states = [member.order.get_state() for member in self.members]
        self.clock.begin_epoch()

    @property
    def is_done(self) -> bool:
        return self.epoch > self.section.epochs or all(m.is_done for m in self.members)

    def run(self, listener: Listener, snapshots: Snapshots | None = None) -> list[Member]:
        """Run what is left; every member that has not diverged ends with its best weights."""
        while not self.is_done:
            self._take_steps(listener, snapshots)
            self._measure()
            self._finish_epoch()
            if leader := self.leader:
                listener.on_epoch(leader.history[-1])
            if snapshots is not None and snapshots.is_due():
                snapshots.save(self.state())
        for member in self.members:
            if not member.has_diverged:
                self._keep(member)
        return self.members

    @property
    def leader(self) -> Member | None:
        """Of the members that were in the last epoch, the one that has been best so far."""
        there = [m for m in self.members if len(m.history) == self.epoch - 1 and m.history]
        return min(there, key=lambda member: member.best.value, default=None)

    def _take_steps(self, listener: Listener, snapshots: Snapshots | None) -> None:
        self.stack.train()
        steps = self._steps()
        for position in range(len(self.losses), len(steps)):
            self.losses.append(self.session.take(self.train, steps[position]))
            listener.on_share(self.epoch - 1 + (position + 1) / len(steps))
            if self.rules.cut_short(self.clock):
                return
            is_last = position + 1 == len(steps)
            if snapshots is not None and not is_last and snapshots.is_due(within_epoch=True):
                snapshots.save(self.state())

    def _steps(self) -> list[tuple[Tensor, ...]]:
        """The epoch's batches, (B, R) each; the same ones also when it goes on from its middle."""
        orders = [
            redraw_order(
                self.train,
                self.section.sampling,
                member.order,
                begun,
                is_resumed=bool(self.losses),
            )
            for member, begun in zip(self.members, self.order_states, strict=True)
        ]
        return self.plan.cut(torch.stack(orders, 1), self.epoch)

    @torch.inference_mode()
    def _measure(self) -> None:
        losses, norms = torch.stack(self.losses), self.session.gradient_norm().tolist()
        share = len(losses) / self.plan.steps_of(self.epoch)  # less than 1 when time was up
        speed = share * len(self.train) / self.clock.epoch_seconds
        with self.session.averaged():
            outputs = self._predict()
        for place, member in enumerate(self.members):
            if member.is_done:
                continue
            own = losses[:, place]
            record = self.session.measure(
                self.epoch, own, norms[place], outputs[place], self.valid.y, speed
            )
            bad_step = first_bad_step(own, member.history)
            if bad_step is None and math.isfinite(record.valid_loss):
                member.history.append(record)
            else:
                member.has_diverged = True

    def _predict(self) -> Tensor:
        """(R, N, O) outputs of every member for the validation rows."""
        self.stack.eval()
        n_members = len(self.members)
        n_rows = max(1, rows_at_once(self.members[0].network, self.valid.x) // n_members)
        with autocast(self.valid.x.device, self.session.precision):
            parts = [
                self.stack(chunk.expand(n_members, *chunk.shape))
                for chunk in self.valid.x.split(n_rows)
            ]
        return torch.cat(parts, 1).float()

    def _finish_epoch(self) -> None:
        with self.session.averaged():
            for member in self._running():
                monitored = member.history[-1].monitored(self.section.monitored)
                member.best.offer(member.network, monitored, self.epoch)
        for member in self._running():
            member.reason = self.rules.reason(member.best, self.epoch, self.clock.minutes)
        self.epoch += 1
        self._begin_epoch()

    def _running(self) -> Iterable[Member]:
        return [member for member in self.members if not member.is_done]

    def _keep(self, member: Member) -> None:
        if self.section.early_stopping is None:
            with self.session.averaged():
                member.best.keep_last(member.network, len(member.history))
        member.best.restore(member.network)
        member.network.eval()

    def state(self) -> dict[str, Any]:
        """All of it, as a snapshot keeps it."""
        return {
            "session": self.session.state(),
            "members": [member.state() for member in self.members],
            "order_states": self.order_states,
            "losses": torch.stack(self.losses) if self.losses else None,
            "epoch": self.epoch,
            "clock": self.clock.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.session.load(state["session"])
        for member, kept in zip(self.members, state["members"], strict=True):
            member.load(kept)
        self.epoch = state["epoch"]
        self._begin_epoch()
        self.clock.load(*state["clock"])
        if state["losses"] is not None:
            self.losses = list(state["losses"])
            self.order_states = state["order_states"]
