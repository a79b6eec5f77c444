"""Several trainings in turns, an epoch each, so that what they make together is known meanwhile.

Networks that cannot be stacked, or gain nothing by it, keep their own sessions and steps. Each
training has torch's generator to itself: its state is put aside when another one's turn comes.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from layerline.errors import DivergedError
from layerline.training.device import random_state, set_random_state
from layerline.training.epoch_records import Listener
from layerline.training.loop import Training
from layerline.training.snapshots import SnapshotPlace

Numbers = tuple[int, ...]  # of the members that a training trains


@dataclasses.dataclass
class Turn:
    """A training, its members' numbers, and the random numbers it goes on with."""

    numbers: Numbers
    training: Training
    random: dict[str, Tensor]


class Turns:
    """The trainings; `build` makes one, with torch's generator as it begins."""

    def __init__(self, build: Callable[[Numbers], Training]) -> None:
        self._build = build
        self._active: Turn | None = None
        self.all: list[Turn] = []

    def add(self, numbers: Numbers) -> None:
        """Add a training that has not begun; it catches up in the next round."""
        self.put_aside()
        training = self._build(numbers)
        self.all.append(Turn(numbers, training, random_state(training.session.device)))

    def remove(self, turn: Turn) -> None:
        """Continue without a training."""
        self.put_aside()
        self.all.remove(turn)

    @property
    def is_done(self) -> bool:
        return all(turn.training.is_done for turn in self.all)

    @property
    def epochs_done(self) -> int:
        """By every training that still runs."""
        epochs = [turn.training.epoch - 1 for turn in self.all]
        running = [turn.training.epoch - 1 for turn in self.all if not turn.training.is_done]
        return min(running, default=max(epochs, default=0))

    @property
    def minutes(self) -> float:
        """How long they have trained: every clock tells the time since the first one began."""
        return self.all[0].training.clock.minutes if self.all else 0.0

    def run_round(
        self,
        epoch: int,
        listener: Listener,
        place: SnapshotPlace,
        on_diverged: Callable[[Turn, DivergedError, Listener], None],
    ) -> None:
        """Let every training finish this epoch (from 1) that has not."""
        n_turns = len(self.all)
        for position, turn in enumerate(list(self.all)):

            def share(done: float, position: int = position) -> None:
                within = min(max(done - (epoch - 1), 0.0), 1.0)
                listener.on_share(epoch - 1 + (position + within) / n_turns)

            self._enter(turn)
            try:
                while turn.training.epoch <= epoch and not turn.training.is_done:
                    turn.training.run_epoch(Listener(on_share=share, report=listener.report), place)
            except DivergedError as error:
                on_diverged(turn, error, listener)

    def state(self) -> list[dict[str, Any]]:
        """Each training's; whichever has its turn keeps it."""
        active, states = self._active, []
        for turn in self.all:
            self._enter(turn)
            states.append({"numbers": list(turn.numbers), "training": turn.training.state()})
        if active is not None:
            self._enter(active)
        return states

    def load(self, states: list[Mapping[str, Any]]) -> None:
        """Resume from a `state()`."""
        groups = [tuple(state["numbers"]) for state in states]
        if groups != [turn.numbers for turn in self.all]:
            self.put_aside()
            self.all = []
            for numbers in groups:
                self.add(numbers)
        for turn, state in zip(self.all, states, strict=True):
            self._enter(turn)
            turn.training.load(state["training"])

    def _enter(self, turn: Turn) -> None:
        if self._active is not turn:
            self.put_aside()
            set_random_state(turn.random)
            self._active = turn

    def put_aside(self) -> None:
        """Keep torch's random numbers for the training that has its turn; others may be drawn."""
        if self._active is not None:
            self._active.random = random_state(self._active.training.session.device)
            self._active = None
