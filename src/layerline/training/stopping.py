"""When to stop, and which weights to keep."""

import dataclasses
import math

import torch
from torch import Tensor, nn

from layerline.config import EarlyStoppingSection


@dataclasses.dataclass
class BestWeights:
    """Keeps a copy of the weights with the lowest monitored value so far; ties keep the earlier."""

    min_delta: float = 0.0
    value: float = math.inf
    epoch: int = 0
    weights: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def offer(self, network: nn.Module, value: float, epoch: int) -> None:
        """Copy the network's weights if `value` is lower than the best by more than `min_delta`."""
        if value < self.value - self.min_delta:
            self.value, self.epoch = value, epoch
            self.weights = {
                key: item.detach().clone() for key, item in network.state_dict().items()
            }

    @torch.no_grad()
    def restore(self, network: nn.Module) -> None:
        """Put the best weights back, bit for bit."""
        network.load_state_dict(self.weights)


def should_stop(best: BestWeights, epoch: int, section: EarlyStoppingSection | None) -> bool:
    """Whether `patience_epochs` have passed since the best epoch."""
    return section is not None and epoch - best.epoch >= section.patience_epochs
