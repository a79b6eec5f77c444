"""A running average of the weights, which often predicts better than the last weights do."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of a network's parameters and batch norm statistics.

    The n-th update moves the average by 1 - d towards the weights, d = min(decay, (1+n) / (10+n)):
    a young average forgets the random start. The statistics of batch norm are averaged as the
    weights are, since those of the last weights do not fit averaged ones; whole numbers (the count
    of batches) stay the network's own. The network must be on its device already.

    Source: Polyak and Juditsky (1992); the warm-up of tf.train.ExponentialMovingAverage.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.n_updates = 0
        entries = network.state_dict().items()  # they share memory with the network
        self._live = {name: item for name, item in entries if item.is_floating_point()}
        self._average = {name: item.clone() for name, item in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network's weights; call it after each step."""
        self.n_updates += 1
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        live = list(self._live.values())
        torch._foreach_lerp_(list(self._average.values()), live, 1 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin again, from the network's weights; the n-th update counts on."""
        torch._foreach_copy_(list(self._average.values()), list(self._live.values()))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the averaged weights in the block, and its own bits again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        live, average = list(self._live.values()), list(self._average.values())
        kept = [item.clone() for item in live]
        torch._foreach_copy_(live, average)
        torch._foreach_copy_(average, kept)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors, and what is ready for JSON. The next update writes into these tensors."""
        return self._average, {"n_updates": self.n_updates}

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Resume from a `state()`."""
        self.n_updates = numbers["n_updates"]
        for name, item in self._average.items():
            item.copy_(tensors[name])
