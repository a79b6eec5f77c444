"""One network in training: its seed, its random numbers, its best weights and its history."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Generator, Tensor, nn

from layerline.config import Component
from layerline.training.early_stopping import BestWeights
from layerline.training.epoch_records import EpochRecord, FitResult
from layerline.training.fold_rows import Fold


@dataclasses.dataclass
class Member:
    """One of the networks that a loop trains; several share the weights of their stack.

    `order` gives its order of rows and its augmentations. `dropout` draws its masks in a stack; a
    network that is trained alone draws them from torch's own generator. In a stack, one that has
    stopped or diverged still takes part in the steps; its weights are no longer looked at.
    `optimizer` is its own where members differ. `answers` are its best weights' outputs for the
    validation rows (N, O), or for those that its `fold` holds out.
    """

    network: nn.Module
    seed: int
    dropout: Generator | None = None
    optimizer: Component | None = None
    best: BestWeights = dataclasses.field(default_factory=BestWeights)
    history: list[EpochRecord] = dataclasses.field(default_factory=list)
    reason: str | None = None
    has_diverged: bool = False
    answers: Tensor | None = None
    fold: Fold | None = None
    order: Generator = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.order = Generator().manual_seed(self.seed)

    @property
    def is_done(self) -> bool:
        return self.reason is not None or self.has_diverged

    @property
    def result(self) -> FitResult:
        return FitResult(tuple(self.history), self.best.epoch, self.reason)

    def add(self, record: EpochRecord | None) -> None:
        """Add an epoch's record; None: the member diverged in it."""
        if record is None:
            self.has_diverged = True
        else:
            self.history.append(record)

    def state(self) -> dict[str, Any]:
        """Everything that is not in the session."""
        return {
            "best": self.best.state(),
            "history": [dataclasses.astuple(record) for record in self.history],
            "reason": self.reason,
            "has_diverged": self.has_diverged,
            "answers": self.answers,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Resume from a `state()`."""
        self.best.load(*state["best"])
        self.history = [EpochRecord(*values) for values in state["history"]]
        self.reason, self.has_diverged = state["reason"], state["has_diverged"]
        self.answers = state["answers"]
