"""Seams for a training that starts from known weights: what learns when, and what it starts from.

A training from scratch uses neither; layerline.transfer provides both.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from torch import nn
from torch.optim import Optimizer

from layerline.networks.files import NetworkSpec
from layerline.training.rows import Rows


class Learning(Protocol):
    """Which parameters learn in which epoch, and how fast."""

    def set_rates(self, optimizer: Optimizer, name: str) -> None:
        """Give the optimizer's groups the rates of their depth; called once, before any step."""

    def begin_epoch(self, network: nn.Module, epoch: int) -> None:
        """Freeze and thaw for this epoch (from 1); the network is in training mode."""

    def add_pull(self) -> None:
        """Add to the gradients what pulls the weights; called after they were computed."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What learns: `network` may be a part of the whole, on rows that the rest has read already."""

    network: nn.Module
    train: Rows
    valid: Rows
    learning: Learning | None


class Start(Protocol):
    """Known weights, and what is done with them."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """JSON values that decide the bytes, besides data and params."""

    def prepare(
        self, network: nn.Module, spec: NetworkSpec, train: Rows, valid: Rows, threads: int
    ) -> Prepared:
        """Put the known weights into `network`, in place."""
