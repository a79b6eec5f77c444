"""The gradients of a network that ends in a chain of linear layers, without autograd's overhead."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layerline.kernels.chain import Chain, Ordered, split_chain
from layerline.training.device import autocast
from layerline.training.objectives import Loss, MeanOfRows


@dataclasses.dataclass(frozen=True)
class Chained:
    """A network as layers for autograd, often none, and a chain that is run by hand."""

    before: Sequence[nn.Module]
    chain: Chain

    def backward(
        self, x: Tensor, y: Tensor, loss: Loss, share: float, precision: torch.dtype
    ) -> Tensor:
        """Add the gradients of `share` times the mean loss of a batch; returns that, detached."""
        with autocast(x.device, precision):
            for layer in self.before:
                x = layer(x)
        with torch.no_grad():
            outputs, kept = self.chain.forward(x.to(precision))
        value, d_outputs = slope_of(loss, outputs.float(), y)
        if share != 1:
            value, d_outputs = value * share, d_outputs * share
        with torch.no_grad():
            d_x = self.chain.backward(d_outputs.to(outputs.dtype), kept, x.requires_grad)
        if d_x is not None:
            x.backward(d_x.to(x.dtype))
        return value


def slope_of(loss: Loss, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A loss and its gradient for the outputs (B, O); by autograd if nothing quicker is known."""
    if isinstance(loss, MeanOfRows) and loss.slope is not None and y.ndim == 1:
        with torch.no_grad():
            return loss.slope(outputs, y)
    outputs.requires_grad_()
    value = loss(outputs, y)
    value.backward()
    assert outputs.grad is not None
    return value.detach(), outputs.grad


def read_chained(network: nn.Module, precision: torch.dtype) -> Chained | None:
    """The network's chain on a CPU; None where autograd does it all.

    What learns, and in which mode, is read now: read it again when that has changed.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
    if not on_cpu or not isinstance(network, Ordered):
        return None
    found = split_chain(network.in_order(precision))
    return None if found is None else Chained(*found)
