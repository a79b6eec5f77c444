"""A step of one network by several ranks, each with its rows of every batch."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from layerline.kernels.dropout import Dropout
from layerline.kernels.ranks import ALONE, Ranks, shared_batch
from layerline.training.objectives import WeightedMean
from layerline.training.prefetch import Source
from layerline.training.session import Session, T

_MOST_WHOLE = 8  # ranks that draw every row's masks: with more, that takes longer than the products


@dataclasses.dataclass
class RankedSession(Session):
    """A session on one of several ranks; its steps are those of one process, to rounding.

    Batches are those of all ranks. Once a step the gradients are added over the ranks, as one
    tensor in the order of the parameters, so every rank takes the same optimizer's step.
    """

    ranks: Ranks = ALONE
    draws_whole: bool = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        is_few = self.ranks.size <= _MOST_WHOLE
        self.draws_whole = is_few and not _draws_elsewhere(self.network)

    @property
    def _needs_whole(self) -> bool:
        """Whether a rank looks at all rows of a batch, to take its own of what comes out."""
        return self.augment is not None or isinstance(self.loss, WeightedMean)

    def taken(self, batch: Tensor) -> Tensor:
        return batch if self._needs_whole else batch[self.ranks.part(len(batch))]

    def rows(self, train: Source, batch: Tensor) -> tuple[Tensor, Tensor]:
        x, y, _ = self._own_rows(train, batch)
        return x, y

    def _own_rows(self, train: Source, batch: Tensor) -> tuple[Tensor, Tensor, Tensor | float]:
        """The rows of this rank, augmented, and their part of the batch's loss."""
        x, y = super().rows(train, batch)
        part = self.ranks.part(len(batch))
        share: Tensor | float = (part.stop - part.start) / len(batch)
        if self._needs_whole:
            whole, x, y = y, x[part], y[part]
            if isinstance(self.loss, WeightedMean):
                share = self.loss.weight(y) / self.loss.weight(whole)
        return x, y, share

    def _gradients(self, train: Source, batches: Sequence[Tensor]) -> Tensor:
        n_rows = sum(map(len, batches))
        losses = []
        with self._separate_masks():
            for batch in batches:
                x, y, share = self._own_rows(train, batch)
                with shared_batch(self.ranks, len(batch), draws_whole=self.draws_whole):
                    losses.append(self._backward(x, y, float(share) * len(batch) / n_rows))
        return self._add(torch.stack(losses).sum(0))

    @torch.no_grad()
    def _add(self, loss: Tensor) -> Tensor:
        """Add the gradients, and the loss, over the ranks."""
        found = [(p, p.grad) for p in self.network.parameters() if p.grad is not None]
        learning, gradients = [p for p, _ in found], [gradient for _, gradient in found]
        sizes = [parameter.numel() for parameter in learning]
        joined = loss.new_empty(sum(sizes) + 1)
        *parts, total = joined.split([*sizes, 1])
        # In the parameters' layout, through which an optimizer's fused kernel walks.
        views = [x.as_strided(p.shape, p.stride()) for x, p in zip(parts, learning, strict=True)]
        torch._foreach_copy_([*views, total], [*gradients, loss.view(1)])
        self.ranks.add_(joined)
        for parameter, view in zip(learning, views, strict=True):
            parameter.grad = view
        return total.view(()).clone()

    @contextlib.contextmanager
    def _separate_masks(self) -> Iterator[None]:
        """Where each rank draws for its rows: other numbers on each, then again the same."""
        if self.draws_whole:
            yield
            return
        seed = int(torch.randint(2**62, ()))
        torch.manual_seed(seed + 1 + self.ranks.rank)
        yield
        torch.manual_seed(seed)

    def predict(self, x: Tensor) -> Tensor:
        """(1, N, O): each rank computes its rows."""
        part = self.ranks.part(len(x))
        own = super().predict(x[part])
        outputs = own.new_zeros(1, len(x), *own.shape[2:])
        outputs[:, part] = own
        return self.ranks.add_(outputs)

    def agreed(self, found: T) -> T:
        return self.ranks.of_first(lambda: found)


def _draws_elsewhere(network: nn.Module) -> bool:
    """Whether layers may draw random numbers that are not those of our own dropout."""
    for module in network.modules():
        if type(module).__module__.partition(".")[0] not in ("layerline", "torch"):
            return True
        if isinstance(module, nn.RNNBase) and module.dropout:
            return True
        if isinstance(module, _DropoutNd) and not isinstance(module, Dropout) and module.p:
            return True
    return False
