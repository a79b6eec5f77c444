"""What a training reports: a record of each epoch, the result, and who listens."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What one epoch did. `valid_error` is 1 - accuracy, or the RMSE in standardised units.

    `valid_score` is what early stopping monitors, where that is neither of the two.
    `gradient_norm` is the last step's, before clipping. `train_loss` is the mean over the steps,
    while the weights changed.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    valid_error: float
    learning_rate: float
    gradient_norm: float
    rows_per_second: float
    valid_score: float | None = None

    def monitored(self, metric: str) -> float:
        """The validation rows' value of what early stopping monitors."""
        if self.valid_score is not None:
            return self.valid_score
        value: float = getattr(self, f"valid_{metric}")
        return value


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The history, the epoch (from 1) whose weights the network now has, and why it stopped.

    `reason` is None when all epochs were run.
    """

    history: tuple[EpochRecord, ...]
    kept_epoch: int
    reason: str | None

    @property
    def stopped_early(self) -> bool:
        return self.reason is not None


@dataclasses.dataclass(frozen=True)
class Listener:
    """Who receives each epoch's record, the epochs done (with fractions), and messages."""

    on_epoch: Callable[[EpochRecord], None] = lambda record: None
    on_share: Callable[[float], None] = lambda share: None
    report: Callable[[str], None] = lambda text: None
