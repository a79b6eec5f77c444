"""The networks of one training: which of them train together, and what is kept of them.

Members whose networks can be stacked, and gain by it, train as one batched network; the others, and
one that diverges in a stack, have steps of their own. They take turns, an epoch each. Either way a
member gives what it gives alone: its own rows in their order, dropout and early stopping.
"""

import dataclasses
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from layerline.errors import DivergedError
from layerline.networks.serialization import NetworkSpec
from layerline.training.ensemble_builder import as_ensemble
from layerline.training.ensemble_curve import EnsembleCurve
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.fold_rows import OutOfFold
from layerline.training.learner import Learner
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.member_settings import draw_members
from layerline.training.progress import progress
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots, resume
from layerline.training.stacking import group_members, trains_together
from layerline.training.turns import Numbers, Turn, Turns

OpenSnapshots = Callable[[dict[str, Any]], Snapshots]
OnEpoch = Callable[[EpochRecord], None]
Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Kept:
    """The network that is kept, how it is built, and its history.

    `about` is recorded in the manifest of models/network. `out_of_fold` is what train.folds adds.
    """

    network: nn.Module
    spec: NetworkSpec
    result: FitResult
    about: dict[str, Any]
    out_of_fold: OutOfFold | None = None


class Members:
    """All networks of one training; `discard` their snapshot once what is kept is written.

    With a `learner` there is one, the learner's network.
    """

    def __init__(
        self, setup: TrainingSetup, open_snapshots: OpenSnapshots, learner: Learner | None = None
    ) -> None:
        self.setup = setup
        self.learner = learner
        self.settings = draw_members(setup.section, setup.seed)
        origin = None if learner is None else learner.origin
        self.snapshots = open_snapshots({"origin": origin})
        mine = weakref.proxy(self)  # in a cycle the rows would wait for the garbage collector
        self.turns = Turns(lambda numbers: mine._build(numbers))
        self.members: dict[int, Member] = {}  # by number; those that diverged are left out
        self.keep = setup.section.keep
        self.curve = EnsembleCurve(setup.section, setup.data, setup.spec)

    def run(self, on_epoch: OnEpoch, report: Report) -> Kept:
        """Train every network, or resume a killed run; one that diverges is left out.

        `on_epoch` receives one curve: of the ensemble, of its members' best weights so far; or of
        the network that leads, where the best one is kept.

        Raises:
            DivergedError: every network's loss was not finite, also with lower rates.
        """
        self._begin()
        epochs = self.setup.section.epochs
        done = 0
        if resume(self.snapshots, self, report):
            done = self.turns.epochs_done
            report(f"train: resuming after epoch {done}")
            for record in self.curve.records:
                on_epoch(record)
        with progress(epochs, done, on_epoch, report) as listener:
            while self.curve.reason is None and not self._is_done:
                self._run_round(len(self.curve.records) + 1, listener)
        self._finish()
        kept = self.kept()
        if self.setup.section.has_members:
            for number, member in self.members.items():
                value = f"{self._value(member):.4g} in epoch {member.best.epoch}"
                report(f"seed {self.settings[number].seed}: {value}")
        return kept

    @property
    def _is_done(self) -> bool:
        # A snapshot at the end of a last epoch is older than the record of what they made in it.
        return self.turns.is_done and len(self.curve.records) >= self.turns.epochs_done

    def _finish(self) -> None:
        for turn in self.turns.all:
            turn.training.keep_weights()

    def groups(self) -> list[Numbers]:
        """The members that train together, group by group."""
        return group_members(self.settings, self._gains_by_stacking)

    def _begin(self) -> None:
        for numbers in self.groups():
            self.turns.add(numbers)

    def _gains_by_stacking(self, number: int) -> bool:
        network = self._build_member(number).network
        return trains_together(self.setup.section, self.setup.data.train, network)

    def _build_member(self, number: int) -> Member:
        own = self.settings[number]
        member = self.setup.build_member(own.seed, own.section.options)
        member.optimizer = own.section.optimizer
        member.fold = self.setup.fold_of(number)
        return member

    def _build(self, numbers: Numbers) -> Training:
        """A training of these members; what comes late has what is left of the time."""
        section, learner = self.setup.section, self.learner
        if learner is not None:
            members = [Member(learner.trained, self.settings[0].seed)]
            more = learner.fine_tuning, self.setup.ranks
            training = Training(members, learner.data, section, *more)
        else:
            members = [self._build_member(number) for number in numbers]
            training = Training(members, self.setup.data, section)
        if self.turns.all:  # all clocks tell the time since the first one began
            training.clock.load(self.turns.minutes * 60, 0.0)
        self.members |= dict(zip(numbers, members, strict=True))
        return training

    def _run_round(self, epoch: int, listener: Listener) -> None:
        """One epoch of every network that has not stopped, and the record of what they make."""
        diverged: list[int] | None = None
        while diverged is None or diverged:
            self.turns.run_round(epoch, listener, self, self._leave_out)
            diverged = [
                number
                for turn in self.turns.all
                for number, member in zip(turn.numbers, turn.training.members, strict=True)
                if member.has_diverged and self.members.get(number) is member
            ]
            for number in diverged:  # in a stack; alone, its rates can be lowered
                self.turns.add((number,))
        listener.on_epoch(self._record(epoch))

    def _leave_out(self, turn: Turn, error: DivergedError, listener: Listener) -> None:
        (number,) = turn.numbers
        self.turns.remove(turn)
        del self.members[number]
        if not self.members:
            raise error
        listener.report(f"note: seed {self.settings[number].seed} is left out: {error}")

    def _record(self, epoch: int) -> EpochRecord:
        found = [member for member in self.members.values() if member.best.epoch]
        if self.keep == "best":
            running = [m for m in found if len(m.history) >= epoch] or found
            leader = min(running, key=lambda member: member.best.value)
            record = leader.history[min(epoch, len(leader.history)) - 1]
            self.curve.records.append(record)
            return record
        speeds = [turn.training.members[0].history for turn in self.turns.all]
        seconds = sum(1 / history[-1].rows_per_second for history in speeds if history)
        return self.curve.add(epoch, found, 1 / seconds if seconds else 0.0)

    # What a loop asks of the place for its snapshots: they are of all networks.

    def is_due(self, *, within_epoch: bool = False) -> bool:
        return self.snapshots.is_due(within_epoch=within_epoch)

    def save(self, state: Mapping[str, Any]) -> None:
        records = [dataclasses.astuple(record) for record in self.curve.records]
        self.snapshots.save({"turns": self.turns.state(), "records": records})

    def load(self, state: Mapping[str, Any]) -> None:
        """Resume from what `save` has written."""
        self.members = {}
        self.turns.load(state["turns"])
        for turn in self.turns.all:
            self.members |= dict(zip(turn.numbers, turn.training.members, strict=True))
        self.curve.load([EpochRecord(*values) for values in state["records"]])

    def _value(self, member: Member) -> float:
        kept = member.history[member.best.epoch - 1]
        return kept.monitored(self.setup.section.monitored)

    def kept(self) -> Kept:
        """The best of the members, or several as one; of those that have finished an epoch."""
        if self.learner is not None:
            self.learner.merge(self.learner.network)
            return Kept(self.learner.network, self.setup.spec, self.members[0].result, {})
        found = {n: member for n, member in sorted(self.members.items()) if member.best.epoch}
        about: dict[str, Any] = {"members": [self._about(n, member) for n, member in found.items()]}
        if self.keep == "best":
            number = min(found, key=lambda n: self._value(found[n]))
            about["kept_seed"] = self.settings[number].seed
            return Kept(found[number].network, self._spec(number), found[number].result, about)
        weights = self.curve.weights(list(found.values()), self.keep)
        for facts, weight in zip(about["members"], weights, strict=True):
            facts["weight"] = weight
        chosen = [n for n, weight in zip(found, weights, strict=True) if weight > 0]
        held = self.curve.out_of_fold(list(found.values())) if self.setup.folds else None
        network: nn.Module = found[chosen[0]].network
        spec = self._spec(chosen[0])
        if len(chosen) > 1:
            networks, shares = [found[n].network for n in chosen], [w for w in weights if w > 0]
            options = [self.settings[n].section.options for n in chosen]
            network, spec = as_ensemble(networks, self.setup.spec, options, shares)
        return Kept(network, spec, self._result(), about, held)

    def _result(self) -> FitResult:
        """The ensemble's history, and why it ended: as a whole, or why its members did."""
        result, members = self.curve.result, self.members.values()
        reasons = dict.fromkeys(m.reason for m in members if m.reason is not None)
        if result.reason is not None or not reasons or not all(m.is_done for m in members):
            return result
        return dataclasses.replace(result, reason="; ".join(reasons))

    def _spec(self, number: int) -> NetworkSpec:
        return dataclasses.replace(self.setup.spec, options=self.settings[number].section.options)

    def _about(self, number: int, member: Member) -> dict[str, Any]:
        own = self.settings[number]
        fold = {} if member.fold is None else {"fold": member.fold.number}
        facts = {"seed": own.seed, "value": self._value(member), "epoch": member.best.epoch}
        return {**facts, "drawn": {**fold, **own.drawn}}

    def interrupted(self) -> Kept | None:
        """What is kept when training stops now; None before the first epoch's end."""
        for member in self.members.values():
            if member.best.weights:
                member.best.restore(member.network)
        return self.kept() if any(m.best.epoch for m in self.members.values()) else None

    def discard(self) -> None:
        """Remove the snapshot: the network is written."""
        self.snapshots.discard()
