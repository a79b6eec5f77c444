"""What a loss may know of the training targets before the first batch."""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class MeanOfRows:
    """A loss that is the plain mean of its rows' losses, which `rows` gives one by one (B,).

    Restarts that are trained together take the rows of all networks at once; other losses are
    computed network by network. `slope` gives the mean and its gradient for the outputs (B, O), for
    targets that are numbers or indices: what autograd would find, in fewer and quicker operations.
    """

    mean: Loss
    rows: Loss
    slope: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.mean(outputs, targets)


@dataclasses.dataclass(frozen=True)
class WeightedMean:
    """A loss that is the mean of its rows by their weights; `weight` gives the targets' in all."""

    mean: Loss
    weight: Callable[[Tensor], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.mean(outputs, targets)


def weighted(loss: MeanOfRows, *, is_classes: bool) -> MeanOfRows:
    """The loss for targets (B, 2): the target and the weight, of mean 1, of each row."""

    def rows(outputs: Tensor, targets: Tensor) -> Tensor:
        y, weights = targets.unbind(1)
        return loss.rows(outputs, y.long() if is_classes else y) * weights

    return MeanOfRows(lambda outputs, targets: rows(outputs, targets).mean(), rows)


def losses_of_members(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """(R,) mean losses of R networks, from outputs (R, B, O) and targets (R, B) or (R, B, K)."""
    if isinstance(loss, MeanOfRows):
        return (
            loss.rows(outputs.flatten(0, 1), targets.flatten(0, 1)).view(len(outputs), -1).mean(1)
        )
    pairs = zip(outputs.unbind(), targets.unbind(), strict=True)
    return torch.stack([loss(one, two) for one, two in pairs])


def value_and_gradient(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """A loss, detached, and its gradient for the outputs (B, O); by autograd without a `slope`."""
    if isinstance(loss, MeanOfRows) and loss.slope is not None and targets.ndim == 1:
        with torch.no_grad():
            return loss.slope(outputs, targets)
    outputs.requires_grad_()
    value = loss(outputs, targets)
    value.backward()
    assert outputs.grad is not None
    return value.detach(), outputs.grad


@dataclasses.dataclass(frozen=True)
class TargetFacts:
    """Facts of the train rows' targets.

    `class_counts` (K,): rows of each class. A number in the user's unit is
    `standardised * scale + center`; `smallest` is in the user's unit.
    """

    class_counts: Tensor | None = None
    center: float = 0.0
    scale: float = 1.0
    smallest: float | None = None


def describe_targets(
    y: Tensor, *, n_classes: int | None = None, center: float = 0.0, scale: float = 1.0
) -> TargetFacts:
    """Look at the train rows' targets: (B,) int64 class indices, or (B,) float32 numbers.

    `n_classes` is needed when the last classes have no row.

    >>> describe_targets(torch.tensor([0, 2, 2]), n_classes=3).class_counts
    tensor([1, 0, 2])
    """
    if y.dtype == torch.int64:
        return TargetFacts(class_counts=torch.bincount(y, minlength=n_classes or 0))
    return TargetFacts(center=center, scale=scale, smallest=float(y.min()) * scale + center)


class Constant:
    """A tensor that follows the outputs to their device and type once: later steps copy nothing."""

    def __init__(self, value: Tensor) -> None:
        self._value = value

    def beside(self, outputs: Tensor) -> Tensor:
        """The tensor where `outputs` are."""
        if self._value.device != outputs.device or self._value.dtype != outputs.dtype:
            self._value = self._value.to(outputs)
        return self._value
