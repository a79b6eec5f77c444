"""Linear layers in a row, forward and back by hand, where autograd costs more than it does.

On a CPU the step of a small network is mostly calls and memory: of modules, of autograd's nodes, of
tensors that are made to be read once. A chain of linear layers with their batch norms, ReLUs and
dropout needs a few of torch's own kernels: a product ends in its ReLU, what ReLU and dropout let
through is read off their output, and a gradient is changed in its place. The sums are those of
autograd, some of them in another order.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from layerline.kernels.batch_norm import BatchNorm
from layerline.kernels.dropout import Dropout, drop_, scale_of
from layerline.kernels.linear import Linear
from layerline.kernels.products import LinearProduct, Product, close_

Layer = nn.Module | Product


@runtime_checkable
class Ordered(Protocol):
    """A network of layers in a row."""

    def in_order(self, precision: torch.dtype) -> Sequence[Layer]:
        """All layers, each of which is given what the one before it makes, in `precision`."""


class Link(NamedTuple):
    """A product and what follows it: (B, d_in) -> (B, d_out)."""

    product: Product
    norm: BatchNorm | None
    is_relu: bool
    dropout: float

    @property
    def learns(self) -> bool:
        return self.product.learns or (self.norm is not None and self.norm.learns)


class Kept(NamedTuple):
    """What the way back needs of a link's way forward."""

    of_product: Any
    of_norm: Any
    output: Tensor


@dataclasses.dataclass(frozen=True)
class Chain:
    """Links in a row: (B, ...) -> (B, d_out). Which parameters learn is settled when it is made."""

    links: tuple[Link, ...]
    lowest: int = dataclasses.field(init=False)  # the first link that learns

    def __post_init__(self) -> None:
        learning = [place for place, link in enumerate(self.links) if link.learns]
        object.__setattr__(self, "lowest", min(learning, default=len(self.links)))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Kept]]:
        """The output, in the type of `x`, and what `backward` needs."""
        kept = []
        for product, norm, is_relu, dropout in self.links:
            x, of_product = product.forward(x, relu=is_relu and norm is None)
            of_norm = None
            if norm is not None:
                x, of_norm = norm.forward(x)
                if is_relu:
                    x.relu_()
            if dropout:
                drop_(x, dropout)
            kept.append(Kept(of_product, of_norm, x))
        return x, kept

    def backward(self, d_output: Tensor, kept: list[Kept], needs_input: bool) -> Tensor | None:
        """Add to the gradients of what learns; returns the input's, None unless `needs_input`.

        `d_output` (B, d_out) is the gradient of the output; it is written over, and `kept` used up.
        """
        lowest = 0 if needs_input else self.lowest
        d_input: Tensor | None = d_output
        for place in range(len(self.links) - 1, lowest - 1, -1):
            assert d_input is not None
            product, norm, is_relu, dropout = self.links[place]
            of_product, of_norm, output = kept.pop()
            if is_relu:
                close_(d_input, output)
            if dropout:
                d_input.mul_(scale_of(dropout))
            if norm is not None:
                d_input = norm.backward(d_input, of_norm)
            d_input = product.backward(d_input, of_product, needs_input or place > lowest)
        return d_input if needs_input else None


def begins_with_product(network: nn.Module) -> bool:
    """Whether the first thing that is done with a row is to multiply it by a matrix."""
    if not isinstance(network, Ordered):
        return False
    layers = (x for x in network.in_order(torch.float32) if not isinstance(x, nn.Flatten))
    return type(next(layers, None)) is Linear


def split_chain(layers: Sequence[Layer]) -> tuple[list[nn.Module], Chain] | None:
    """What comes before the chain, and the chain, when `layers` end in one of two links or more."""
    before: list[nn.Module] = []
    for start, layer in enumerate(layers):
        links = _read_links(layers[start:])
        if len(links) > 1:
            return before, Chain(links)
        if not isinstance(layer, nn.Module):
            return None  # a product outside of a chain: autograd has its own way
        before.append(layer)
    return None


def _read_links(layers: Sequence[Layer]) -> tuple[Link, ...]:
    """All `layers` as links; none when that cannot be."""
    links: list[Link] = []
    left = [layer for layer in layers if not isinstance(layer, nn.Identity)]
    while left:
        product = _read_product(left.pop(0))
        if product is None:
            return ()
        norm, is_relu, dropout = None, False, 0.0
        if left and isinstance(left[0], nn.BatchNorm1d) and left[0].training:
            norm = BatchNorm(left[0])
            left.pop(0)
        if left and type(left[0]) is nn.ReLU:
            is_relu = True
            left.pop(0)
        if is_relu and left and isinstance(left[0], Dropout):
            dropout = left[0].p if left[0].training else 0.0
            left.pop(0)
        links.append(Link(product, norm, is_relu, dropout))
    return tuple(links)


def _read_product(layer: Layer) -> Product | None:
    if not isinstance(layer, nn.Module):
        return layer
    # An adapter makes another class of it.
    return LinearProduct(layer.weight, layer.bias) if type(layer) is Linear else None
