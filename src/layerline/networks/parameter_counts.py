"""A network's parameters, tensor by tensor, and their number.

>>> from layerline.networks.seven_layer import SevenLayer
>>> network = SevenLayer(input_shape=(4,), d_out=3, hidden=(8, 8, 8, 8, 8, 8))
>>> list_weights(network)[0]
Weights(name='layers.0.weight', shape=(8, 4), n_parameters=32, learns=True)
>>> n_parameters(network)
376
"""

from typing import NamedTuple

from torch import nn


class Weights(NamedTuple):
    """One tensor of weights. `learns` is false where it is frozen."""

    name: str
    shape: tuple[int, ...]
    n_parameters: int
    learns: bool


def list_weights(network: nn.Module) -> tuple[Weights, ...]:
    """Every tensor of weights, in the order of the network, without running statistics."""
    return tuple(
        Weights(name, tuple(value.shape), value.numel(), value.requires_grad)
        for name, value in network.named_parameters()
    )


def n_parameters(network: nn.Module) -> int:
    """The number of weights, frozen ones included."""
    return sum(tensor.n_parameters for tensor in list_weights(network))
