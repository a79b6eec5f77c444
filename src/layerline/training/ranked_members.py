"""Members divided among ranks: each trains its share, rank 0 sees to what they make together.

What trains as one stack stays one, so a member's bytes are those of one process, whichever rank it
is on. After an epoch rank 0 hears of all members, extends the curve and decides whether training
goes on. Snapshots are of all ranks, at the ends of epochs, and are rank 0's.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from layerline.errors import DivergedError
from layerline.training.epoch_records import EpochRecord, Listener
from layerline.training.member import Member
from layerline.training.members import Kept, Members, OnEpoch, Report
from layerline.training.session_builder import build_best
from layerline.training.turns import Numbers, Turn


def divide(groups: Sequence[Numbers], n_ranks: int) -> list[list[Numbers]]:
    """The groups that each rank trains, so that ranks have about as many members.

    >>> divide([(0, 1, 2), (3,), (4,), (5,)], 2)
    [[(0, 1, 2)], [(3,), (4,), (5,)]]
    """
    shares: list[list[Numbers]] = [[] for _ in range(n_ranks)]
    for group in sorted(groups, key=lambda numbers: (-len(numbers), numbers)):
        min(shares, key=lambda share: sum(map(len, share))).append(group)
    return [sorted(share) for share in shares]


class _Facts(NamedTuple):
    """What rank 0 knows of another rank's member while it trains."""

    history: list[tuple[Any, ...]]
    reason: str | None
    has_diverged: bool
    best_epoch: int
    best_value: float


@dataclasses.dataclass(frozen=True)
class _Heard:
    """What rank 0 hears of a rank after an epoch.

    `answers` are those that it does not have yet; `left_out` are members that the rank has given
    up, with the reason.
    """

    members: Mapping[int, _Facts]
    answers: Mapping[int, Tensor]
    left_out: Mapping[int, str]
    notes: Sequence[str]
    is_done: bool
    epochs_done: int


class RankedMembers(Members):
    """The members that this rank trains; on rank 0 those of all."""

    def run(self, on_epoch: OnEpoch, report: Report) -> Kept:
        self._report = report
        self._notes: list[str] = []
        self._left_out: dict[int, str] = {}
        self._told: dict[int, int] = {}  # the epoch of the answers that rank 0 has, by member
        self._all_done, self._epochs_done = False, 0
        return super().run(on_epoch, report if self._is_first else self._notes.append)

    @property
    def _is_first(self) -> bool:
        return self.setup.ranks.rank == 0

    @property
    def _is_done(self) -> bool:
        return self._all_done and len(self.curve.records) >= self._epochs_done

    def groups(self) -> list[Numbers]:
        """Those of this rank; rank 0 has stand-ins for the members of the others."""
        groups, ranks = super().groups(), self.setup.ranks
        shares = divide(groups, ranks.size)
        if idle := sum(not share for share in shares):
            self._notes.append(
                f"note: {idle} of {ranks.size} ranks have no member to train: what trains as one "
                f"stack stays on one rank ({len(groups)} in all)"
            )
        if self._is_first:
            for number in [n for share in shares[1:] for group in share for n in group]:
                self._stand_in(number)
        self._in_order = [number for group in groups for number in group]
        return shares[ranks.rank]

    def _stand_in(self, number: int) -> Member:
        """Another rank's member, as far as this one hears of it."""
        self.turns.put_aside()
        member = self._build_member(number)
        member.best = build_best(self.setup.section)
        self.members[number] = member
        return member

    def _leave_out(self, turn: Turn, error: DivergedError, listener: Listener) -> None:
        (number,) = turn.numbers
        self.turns.remove(turn)
        del self.members[number]
        self._left_out[number] = str(error)

    def _record(self, epoch: int) -> EpochRecord:
        """The record of what all ranks' members make; the same on every rank."""
        self._hear_all()
        first = super()._record
        record, self.curve.reason = self.setup.ranks.of_first(
            lambda: (first(epoch), self.curve.reason)
        )
        if not self._is_first:
            self.curve.records.append(record)
        if self.setup.ranks.of_first(self.snapshots.is_due) and not self._is_done:
            self._save_all()
        return record

    def _hear_all(self) -> None:
        ranks = self.setup.ranks
        heard = ranks.to_first(self._tell())
        failed, self._all_done, self._epochs_done = ranks.of_first(lambda: self._hear(heard))
        if failed is not None:
            raise DivergedError(failed)

    def _tell(self) -> _Heard:
        own = self._own_members()
        facts = {n: _facts(member) for n, member in own.items()}
        is_best = self.setup.section.early_stopping is not None
        of = {n: found.best_epoch if is_best else len(found.history) for n, found in facts.items()}
        new = {
            number: member.answers
            for number, member in own.items()
            if member.answers is not None and self._told.get(number) != of[number]
        }
        self._told |= {number: of[number] for number in new}
        left_out, self._left_out = self._left_out, {}
        notes, self._notes = self._notes, []
        return _Heard(facts, new, left_out, notes, self.turns.is_done, self.turns.epochs_done)

    def _own_members(self) -> dict[int, Member]:
        numbers = {number for turn in self.turns.all for number in turn.numbers}
        return {n: member for n, member in self.members.items() if n in numbers}

    def _hear(self, heard: Sequence[_Heard]) -> tuple[str | None, bool, int]:
        """On rank 0: why all have failed, whether all are done, and after how many epochs."""
        for one in heard:
            for note in one.notes:
                self._report(note)
            for number, text in one.left_out.items():
                self.members.pop(number, None)
                self._report(f"note: seed {self.settings[number].seed} is left out: {text}")
            for number, facts in one.members.items():
                member = self.members.get(number) or self._stand_in(number)
                _take_over(member, facts)
                member.answers = one.answers.get(number, member.answers)
        self.members = {n: self.members[n] for n in self._in_order if n in self.members}
        failed = None if self.members else next(t for h in heard for t in h.left_out.values())
        running = [one.epochs_done for one in heard if not one.is_done]
        return failed, not running, min(running or [max(one.epochs_done for one in heard)])

    # Snapshots are of all ranks together, so no training saves one by itself.

    def is_due(self, *, within_epoch: bool = False) -> bool:
        return False

    def _save_all(self) -> None:
        states = self.setup.ranks.to_first(self.turns.state())
        if self._is_first:
            records = [dataclasses.astuple(record) for record in self.curve.records]
            self.snapshots.save({"turns": states, "records": records})

    def load(self, state: Mapping[str, Any]) -> None:
        super().load({**state, "turns": state["turns"][self.setup.ranks.rank]})
        self._hear_all()

    def _finish(self) -> None:
        """Rank 0 gets the weights that are kept of each member."""
        super()._finish()
        own = {n: member for n, member in self._own_members().items() if member.best.epoch}
        kept = {n: (_facts(member), member.network.state_dict()) for n, member in own.items()}
        for found in self.setup.ranks.to_first(kept):
            for number, (facts, weights) in found.items():
                if number not in own:
                    _take_over(self.members[number], facts)
                    self.members[number].network.load_state_dict(weights)

    def kept(self) -> Kept:
        """What is kept of all, on rank 0; the others have nothing to write."""
        if self._is_first:
            return super().kept()
        network = self.setup.spec.build()
        return Kept(network, self.setup.spec, self.curve.result, {})

    def interrupted(self) -> Kept | None:
        """Of this rank's members alone."""
        self.members = self._own_members()
        return super().interrupted()


def _facts(member: Member) -> _Facts:
    history = [dataclasses.astuple(record) for record in member.history]
    best = member.best
    return _Facts(history, member.reason, member.has_diverged, best.epoch, best.value)


def _take_over(member: Member, facts: _Facts) -> None:
    member.history = [EpochRecord(*record) for record in facts.history]
    member.reason, member.has_diverged = facts.reason, facts.has_diverged
    member.best.epoch, member.best.value = facts.best_epoch, facts.best_value
