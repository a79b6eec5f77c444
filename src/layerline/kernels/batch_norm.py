"""Batch norm in training mode as a forward and a backward function, for the chain."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from layerline.kernels.products import add_gradient

_backward = torch.ops.aten.native_batch_norm_backward.default


class SavedNorm(NamedTuple):
    """The input (B, H), and each unit's mean and inverse standard deviation (H,)."""

    x: Tensor
    mean: Tensor
    inverse_deviation: Tensor


class BatchNorm:
    """torch.nn.BatchNorm1d in training mode, with its running statistics: (B, H) -> (B, H)."""

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        self.scale, self.shift = norm.weight, norm.bias
        self.statistics = (norm.running_mean, norm.running_var)
        self.n_batches = norm.num_batches_tracked
        self.momentum, self.epsilon = norm.momentum, norm.eps

    @property
    def learns(self) -> bool:
        return self.scale.requires_grad or self.shift.requires_grad

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """The normalised rows, and what `backward` needs.

        Raises:
            ValueError: there is only one row, as torch's layer raises it.
        """
        if len(x) < 2:
            raise ValueError("batch norm needs two rows or more in training, got one")
        self.n_batches.add_(1)
        normed, mean, inverse = torch.native_batch_norm(
            x, self.scale, self.shift, *self.statistics, True, self.momentum, self.epsilon
        )
        return normed, SavedNorm(x, mean, inverse)

    def backward(self, d_output: Tensor, saved: Any) -> Tensor:
        """The gradient of the input; the gradients of scale and shift are added to theirs."""
        parameters = (self.scale, self.shift)
        wanted = [True, *(parameter.requires_grad for parameter in parameters)]
        x, *of_batch = saved
        d_x, *gradients = _backward(
            d_output, x, self.scale, *self.statistics, *of_batch, True, self.epsilon, wanted
        )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if parameter.requires_grad:
                add_gradient(parameter, gradient)
        gradient_of_x: Tensor = d_x
        return gradient_of_x
