"""The product a link of the chain begins with, as a forward and a backward function."""

import dataclasses
from typing import Any, Protocol

import torch
from torch import Tensor

from layerline.kernels.linear import multiply, weight_gradient


class Product(Protocol):
    """(B, ...) -> (B, d_out), in the type of its input."""

    @property
    def learns(self) -> bool:
        """Whether one of its parameters requires a gradient."""

    def forward(self, x: Tensor, relu: bool) -> tuple[Tensor, Any]:
        """The product, after ReLU if asked for, and what `backward` needs."""

    def backward(self, d_output: Tensor, saved: Any, needs_input: bool) -> Tensor | None:
        """Add to the gradients of what learns; return the input's, None unless `needs_input`."""


@dataclasses.dataclass(frozen=True)
class LinearProduct:
    """x Wᵀ + b: (B, d_in) -> (B, d_out)."""

    weight: Tensor
    bias: Tensor | None

    @property
    def learns(self) -> bool:
        return self.weight.requires_grad or (self.bias is not None and self.bias.requires_grad)

    def forward(self, x: Tensor, relu: bool) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        weight, bias = self.weight, self.bias
        if x.dtype != weight.dtype:
            weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
        return multiply(x, weight, bias, relu), (x, weight)

    def backward(
        self, d_output: Tensor, saved: tuple[Tensor, Tensor], needs_input: bool
    ) -> Tensor | None:
        x, weight = saved
        if self.bias is not None and self.bias.requires_grad:
            add_gradient(self.bias, d_output.sum(0))
        if self.weight.requires_grad:
            add_gradient(self.weight, weight_gradient(d_output, x))
        return multiply(d_output, weight.t()) if needs_input else None


def mask_gradient_(d_output: Tensor, output: Tensor) -> Tensor:
    """Set a gradient to zero where a ReLU's output is zero, in place; return it."""
    masked: Tensor = _threshold_backward(d_output, output, 0, grad_input=d_output)
    return masked


_threshold_backward = torch.ops.aten.threshold_backward.grad_input


def add_gradient(parameter: Tensor, gradient: Tensor) -> None:
    """Add `gradient`, of any type, to the parameter's; the tensor itself may be kept."""
    if gradient.dtype != parameter.dtype:
        gradient = gradient.to(parameter.dtype)
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
