"""The ranks of a training: processes that each compute their rows of every batch.

Each rank has the whole network and consecutive rows of a batch, in the order of the ranks. What a
batch decides as a whole, the statistics of batch norm and the masks of dropout, asks `shared_batch`
what this rank's rows are a part of.
"""

import contextlib
import dataclasses
import socket
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from layerline.errors import LayerlineError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Ranks:
    """The process group that this process is in, or this process alone."""

    rank: int = 0
    size: int = 1

    def counts(self, n_rows: int) -> list[int]:
        """How many of `n_rows` each rank has; they differ by one at most.

        >>> Ranks(size=3).counts(8)
        [3, 3, 2]
        """
        least, more = divmod(n_rows, self.size)
        return [least + (rank < more) for rank in range(self.size)]

    def part(self, n_rows: int) -> slice:
        """The rows of this rank among `n_rows`."""
        counts = self.counts(n_rows)
        start = sum(counts[: self.rank])
        return slice(start, start + counts[self.rank])

    def add_(self, tensor: Tensor) -> Tensor:
        """The sum of all ranks' tensors, in place; the same bits on every rank."""
        if self.size > 1:
            with together():
                dist.all_reduce(tensor)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """(size, ...) the tensors of all ranks, in their order."""
        gathered = tensor.new_empty((self.size, *tensor.shape))
        with together():
            dist.all_gather(list(gathered), tensor.contiguous())
        return gathered

    def of_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, on every rank."""
        made: list[Any] = [make() if self.rank == 0 else None]
        if self.size > 1:
            with together():
                dist.broadcast_object_list(made)
        value: T = made[0]
        return value

    def of_each(self, value: T) -> list[T]:
        """Every rank's value, in their order."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            with together():
                dist.all_gather_object(values, value)
        return values

    def to_first(self, value: T) -> list[T]:
        """Every rank's value, in their order, on rank 0; nothing on the others."""
        values: list[Any] = [value] if self.size == 1 else [None] * self.size
        if self.size > 1:
            with together():
                dist.gather_object(value, values if self.rank == 0 else None)
        return values if self.rank == 0 else []


ALONE = Ranks()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A call that needs every rank.

    Raises:
        LayerlineError: one of them does not answer.
    """
    try:
        yield
    except RuntimeError as error:  # torch's only class for it, on gloo and on nccl
        reason = str(error).strip().splitlines()[0]
        raise LayerlineError(
            f"another rank of this training is gone, or cannot be reached from "
            f"{socket.gethostname()} ({reason}); the next run resumes from the last snapshot"
        ) from error


@dataclasses.dataclass(frozen=True)
class SharedBatch:
    """A batch of `n_rows`, of which this process has its rank's.

    `draws_whole`: masks are drawn for all rows, so that they are those of one process.
    """

    ranks: Ranks
    n_rows: int
    draws_whole: bool = True

    def counts(self, n_own: int) -> list[int]:
        """How many each rank has, where this one has `n_own`: several places of each row."""
        counts = self.ranks.counts(self.n_rows)
        return [count * n_own // counts[self.ranks.rank] for count in counts]

    def widen(self, shape: torch.Size) -> tuple[torch.Size, slice]:
        """The shape (B, ...) that a mask is drawn in, and where this rank's rows are in it."""
        if not self.draws_whole:
            return shape, slice(None)
        counts = self.counts(shape[0])
        start = sum(counts[: self.ranks.rank])
        return torch.Size((sum(counts), *shape[1:])), slice(start, start + shape[0])


_current: SharedBatch | None = None


@contextlib.contextmanager
def shared_batch(ranks: Ranks, n_rows: int, *, draws_whole: bool = True) -> Iterator[None]:
    """In the block this process computes its rows of a batch of `n_rows`."""
    global _current
    _current = SharedBatch(ranks, n_rows, draws_whole)
    try:
        yield
    finally:
        _current = None


def current_batch() -> SharedBatch | None:
    """The batch that this rank's rows are a part of; None in a training of one process."""
    return _current
