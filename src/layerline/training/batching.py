"""How the rows of an epoch become batches, and batches become steps."""

import dataclasses
import math

from torch import Tensor

from layerline.config import BatchGrowthSection, TrainSection


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """Sizes and numbers of batches, all known before the first step.

    Batches of an epoch have the same size up to one row, so no tiny last one upsets batch norm, and
    at least two rows, which batch norm needs.

    >>> import torch
    >>> [len(step) for step in BatchPlan(n_rows=10, batch_size=3).cut(torch.arange(10), epoch=1)]
    [1, 1, 1, 1]
    """

    n_rows: int
    batch_size: int
    accumulate: int = 1
    growth: BatchGrowthSection | None = None

    @classmethod
    def of(cls, section: TrainSection, n_rows: int, *, full_batch: bool) -> "BatchPlan":
        """What params.yaml asks for; all rows at once for an optimizer that wants that."""
        if full_batch:
            return cls(n_rows, n_rows)
        return cls(n_rows, section.batch_size, section.accumulate, section.batch_growth)

    def size(self, epoch: int) -> int:
        """Rows in a batch of this epoch (from 1), at most."""
        if self.growth is None:
            return self.batch_size
        grown = self.batch_size * self.growth.factor ** ((epoch - 1) // self.growth.every_epochs)
        return max(self.batch_size, min(round(grown), self.growth.limit))

    def n_batches(self, epoch: int) -> int:
        return max(1, min(math.ceil(self.n_rows / self.size(epoch)), self.n_rows // 2))

    def steps_of(self, epoch: int) -> int:
        """Steps in this epoch (from 1)."""
        return math.ceil(self.n_batches(epoch) / self.accumulate)

    def n_steps(self, epochs: int) -> int:
        """Steps in the epochs 1 to `epochs`."""
        return sum(map(self.steps_of, range(1, epochs + 1)))

    def cut(self, order: Tensor, epoch: int) -> list[tuple[Tensor, ...]]:
        """The batches of each step, from the epoch's order of rows."""
        batches = order.tensor_split(self.n_batches(epoch))
        starts = range(0, len(batches), self.accumulate)
        return [batches[start : start + self.accumulate] for start in starts]
