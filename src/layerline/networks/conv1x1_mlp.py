"""1×1 convolutions that mix channels at each pixel, then a multilayer perceptron."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.kernels.linear import Linear
from layerline.kernels.pixel_groups import PixelGroups
from layerline.kernels.pixel_tables import PixelTables, from_background
from layerline.kernels.products import Product
from layerline.networks.activations import ACTIVATIONS, Activation, initialise
from layerline.networks.blocks import (
    DropoutRates,
    Norm,
    Width,
    after_linear,
    linear_block,
    rate_of_each,
)
from layerline.networks.image_input import image_size

Channels = Annotated[tuple[Width, ...], Field(min_length=1)]

EVALUATED_AT_ONCE = 512  # rows; 64 channels of 28 × 28 pixels are 100 MB then
FEWEST_FOR_TABLES = 32


class Conv1x1MLP(nn.Module):
    """1×1 convolutions with their activation, all pixels of all channels flattened, then the MLP.

    The textbook form is channels (64,) and hidden (256,) on images of 28 × 28. With one grey
    channel, one convolution and ReLU the first layers are computed by tables (pixel_tables.py):
    the same sums in another order, several times faster.

    Shape: (B, C, H, W), float32 -> (B, d_out); (B, d_hidden) when `d_out` is None.

    Source: Lin et al., Network In Network (2014), for convolutions of one pixel.

    >>> import torch
    >>> Conv1x1MLP(input_shape=(1, 8, 8), d_out=3, channels=(4,))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        channels: Channels = (64,),
        hidden: Annotated[tuple[Width, ...], Field(min_length=1)] = (256,),
        activation: Activation = "relu",
        norm: Norm = "none",
        dropout: DropoutRates = 0.0,
    ) -> None:
        super().__init__()
        n_channels, height, width = image_size(input_shape, "conv1x1_mlp")
        rates = rate_of_each(dropout, len(hidden))
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((n_channels, *channels)):
            mixer = nn.Conv2d(c_in, c_out, kernel_size=1)
            initialise(mixer, activation)
            layers += [mixer, ACTIVATIONS[activation]()]
        self.mixers = nn.Sequential(*layers)
        self.flat = PixelsToHidden(channels[-1], height * width, hidden[0], activation)
        layers = after_linear(hidden[0], activation, norm, rates[0])
        for (d_in, d_hidden), rate in zip(pairwise(hidden), rates[1:], strict=True):
            layers += linear_block(d_in, d_hidden, activation, norm, True, rate)
        self.d_hidden = hidden[-1]
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Identity() if d_out is None else Linear(hidden[-1], d_out)
        self._has_tables = n_channels == 1 and len(channels) == 1 and activation == "relu"

    def forward(self, x: Tensor) -> Tensor:
        if self._has_tables and _tables_pay(x):
            first = self._first_by_tables(x)
        elif torch.is_grad_enabled():
            first = self.flat(self.mixers(x))
        else:
            # Every pixel has all channels: 8,192 rows at once would take gigabytes.
            chunks = x.split(EVALUATED_AT_ONCE)
            first = torch.cat([self.flat(self.mixers(chunk)) for chunk in chunks])
        return self.head(self.blocks(first))

    def in_order(self, precision: torch.dtype) -> tuple[nn.Module | Product, ...]:
        """All layers, each of which is given what the one before it makes; none for autograd."""
        mixer, flat = self.mixers[0], self.flat
        # An adapter makes another class of them.
        is_plain = type(mixer) is nn.Conv2d and type(flat) is PixelsToHidden
        if not self._has_tables or not is_plain:
            return (*self.mixers, flat, *self.blocks, self.head)
        if precision != torch.bfloat16:
            return ()  # forward knows the tables, which are worth more
        assert isinstance(mixer, nn.Conv2d)
        return (PixelGroups(mixer, flat.weight, flat.bias), *self.blocks, self.head)

    def _first_by_tables(self, x: Tensor) -> Tensor:
        """The same as `self.flat(self.mixers(x))`."""
        mixer = self.mixers[0]
        assert isinstance(mixer, nn.Conv2d)
        assert mixer.bias is not None
        u, weight, bias = from_background(x.flatten(1), mixer.weight.flatten(), mixer.bias)
        by_pixel = self.flat.weight.view(len(bias), u.shape[1], -1)
        return PixelTables.apply(u, weight, bias, by_pixel) + self.flat.bias


class PixelsToHidden(nn.Module):
    """The linear map of all pixels of all channels, its weight stored input first: (C·P, J).

    Shape: (B, C, H, W) -> (B, J).
    """

    def __init__(self, n_channels: int, n_pixels: int, width: int, activation: Activation) -> None:
        super().__init__()
        linear = nn.Linear(n_channels * n_pixels, width)
        initialise(linear, activation)
        # A pixel's vector of J weights must lie together: tables are gathered by such rows.
        self.weight = nn.Parameter(linear.weight.detach().t().contiguous())
        self.bias = nn.Parameter(linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.flatten(1), self.weight)


def _tables_pay(x: Tensor) -> bool:
    """On the CPU in float32. bfloat16 is chosen where the matrix product is quicker than memory."""
    return (
        x.device.type == "cpu"
        and len(x) >= FEWEST_FOR_TABLES
        and not x.requires_grad
        and not torch.is_autocast_enabled("cpu")
    )
