"""Linear layers in a row as one forward and one backward function, without autograd.

On a CPU the step of a small network is mostly calls and memory: of modules, of autograd's nodes, of
tensors that are written to be read once. A chain of linear layers with their batch norms, ReLUs and
dropout needs a few of torch's own kernels: a product ends in its ReLU, the masks of ReLU and
dropout are read from their output, and a gradient is changed in place. The sums are those of
autograd, some of them in another order.

Any nn.Sequential that ends in such layers has a chain; what comes before stays autograd's.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from layerline.kernels.batch_norm import BatchNorm
from layerline.kernels.dropout import Dropout, drop_, scale_of
from layerline.kernels.linear import Linear
from layerline.kernels.pixel_groups import PixelGroups
from layerline.kernels.pixels import find_pixels
from layerline.kernels.products import LinearProduct, Product, mask_gradient_
from layerline.kernels.shared_norm import norm_kernel
from layerline.kernels.switch import is_on

Layer = nn.Module | Product
ValueAndGradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Link(NamedTuple):
    """A product and what follows it: (B, d_in) -> (B, d_out)."""

    product: Product
    norm: BatchNorm | None
    is_relu: bool
    dropout: float

    @property
    def learns(self) -> bool:
        return self.product.learns or (self.norm is not None and self.norm.learns)


class SavedLink(NamedTuple):
    """What the backward pass needs of a link's forward pass."""

    product: Any
    norm: Any
    output: Tensor


@dataclasses.dataclass(frozen=True)
class Chain:
    """Links in a row: (B, ...) -> (B, d_out). Which parameters learn is fixed when it is made."""

    links: tuple[Link, ...]
    lowest: int = dataclasses.field(init=False)  # the first link that learns

    def __post_init__(self) -> None:
        learning = [place for place, link in enumerate(self.links) if link.learns]
        object.__setattr__(self, "lowest", min(learning, default=len(self.links)))

    def forward(self, x: Tensor) -> tuple[Tensor, list[SavedLink]]:
        """The output, in the type of `x`, and what `backward` needs."""
        saved = []
        for product, norm, is_relu, dropout in self.links:
            x, saved_product = product.forward(x, relu=is_relu and norm is None)
            saved_norm = None
            if norm is not None:
                x, saved_norm = norm.forward(x)
                if is_relu:
                    x.relu_()
            if dropout:
                drop_(x, dropout)
            saved.append(SavedLink(saved_product, saved_norm, x))
        return x, saved

    def backward(
        self, d_output: Tensor, saved: list[SavedLink], needs_input: bool
    ) -> Tensor | None:
        """Add to the gradients of what learns; return the input's, None unless `needs_input`.

        `d_output` (B, d_out) is the gradient of the output; it is overwritten, and `saved` emptied.
        """
        lowest = 0 if needs_input else self.lowest
        d_input: Tensor | None = d_output
        for place in range(len(self.links) - 1, lowest - 1, -1):
            assert d_input is not None
            product, norm, is_relu, dropout = self.links[place]
            saved_product, saved_norm, output = saved.pop()
            if is_relu:
                mask_gradient_(d_input, output)
            if dropout:
                d_input.mul_(scale_of(dropout))
            if norm is not None:
                d_input = norm.backward(d_input, saved_norm)
            d_input = product.backward(d_input, saved_product, needs_input or place > lowest)
        return d_input if needs_input else None


class _Given(torch.autograd.Function):
    """A number whose gradient for the first tensor is the second, of its shape.

    `x.backward(d_x)` compares the two shapes, and imports SymPy for it: a third of a second.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, d_x: Tensor) -> Tensor:
        ctx.d_x = d_x
        return x.new_empty(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        return ctx.d_x, None


@dataclasses.dataclass(frozen=True)
class ChainedNetwork:
    """A network as layers for autograd, often none, and the chain after them."""

    before: Sequence[nn.Module]
    chain: Chain
    precision: torch.dtype

    def backward(
        self, x: Tensor, y: Tensor, value_and_gradient: ValueAndGradient, share: float = 1.0
    ) -> Tensor:
        """Add the gradients of `share` times the loss of the rows x (B, ...) and targets y.

        `value_and_gradient` gives a batch's loss and its gradient for the outputs (B, O) float32.
        Returns `share` times the loss, detached.
        """
        with self._autocast():
            for layer in self.before:
                x = layer(x)
        with torch.no_grad():
            outputs, saved = self.chain.forward(x.to(self.precision))
        value, d_outputs = value_and_gradient(outputs.float(), y)
        if share != 1:
            value, d_outputs = value * share, d_outputs * share
        with torch.no_grad():
            d_x = self.chain.backward(d_outputs.to(outputs.dtype), saved, x.requires_grad)
        if d_x is not None:
            _Given.apply(x, d_x.to(x.dtype)).backward()
        return value

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        if self.precision == torch.float32 or not self.before:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=self.precision)


def chain_network(network: nn.Module, precision: torch.dtype) -> ChainedNetwork | None:
    """The network's chain on a CPU; None where autograd does it all.

    What learns, and in which mode, is read now: call it again when that has changed.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
    if not on_cpu or not is_on("chain") or not isinstance(network, nn.Sequential):
        return None
    layers: list[Layer] = list(leaf_layers(network))
    pixels = find_pixels(layers)
    if pixels is not None and pixels.is_plain:
        # In float32 the network's own forward pass has the tables, which save more.
        if precision != torch.bfloat16 or not is_on("pixel_groups"):
            return None
        layers[:3] = [PixelGroups(pixels.mixer, pixels.flat.weight, pixels.flat.bias)]
    found = split_chain(layers)
    return None if found is None else ChainedNetwork(*found, precision)


def leaf_layers(network: nn.Sequential) -> Iterator[nn.Module]:
    """The layers of a sequence and of the sequences in it, in order; identities are left out."""
    for layer in network:
        if isinstance(layer, nn.Sequential):
            yield from leaf_layers(layer)
        elif not isinstance(layer, nn.Identity):
            yield layer


def split_chain(layers: Sequence[Layer]) -> tuple[list[nn.Module], Chain] | None:
    """What comes before the chain, and the chain, where `layers` end in two links or more."""
    before: list[nn.Module] = []
    for start, layer in enumerate(layers):
        links = _read_links(layers[start:])
        if len(links) > 1:
            return before, Chain(links)
        if not isinstance(layer, nn.Module):
            return None  # a product outside of a chain: autograd runs the modules it stands for
        before.append(layer)
    return None


def _read_links(layers: Sequence[Layer]) -> tuple[Link, ...]:
    """All `layers` as links; empty where one of them has no such form."""
    links: list[Link] = []
    left = list(layers)
    while left:
        product = _read_product(left.pop(0))
        if product is None:
            return ()
        norm, is_relu, dropout = None, False, 0.0
        if left and isinstance(left[0], nn.BatchNorm1d) and left[0].training:
            if not is_on("batch_norm"):
                return ()
            norm = norm_kernel(left[0])
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
