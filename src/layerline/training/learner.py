"""What a training starts from and trains: a network, or a part of one, and its data."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from layerline.training.dataset import TrainingData
from layerline.training.fine_tuning import FineTuning

if TYPE_CHECKING:
    from layerline.training.transfer.forgetting import ForgettingCheck


def _unchanged(network: nn.Module) -> None:
    return None


@dataclasses.dataclass(frozen=True)
class Learner:
    """The `network` that is written in the end, and how it learns.

    With a `part`, that alone is trained, on `data` that the rest of the network has read. `origin`
    are JSON values that decide the bytes, besides data and params; they are written to
    models/network. `merge` makes the trained network plain again, in place. `forgetting` measures
    it on rows that the source knew.
    """

    network: nn.Module
    data: TrainingData
    fine_tuning: FineTuning | None = None
    origin: Mapping[str, Any] | None = None
    merge: Callable[[nn.Module], None] = _unchanged
    forgetting: "ForgettingCheck | None" = None
    part: nn.Module | None = None

    @property
    def trained(self) -> nn.Module:
        """What takes the steps."""
        return self.network if self.part is None else self.part
