"""1×1 convolutions that mix channels at each pixel, then a multilayer perceptron."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.kernels.linear import Linear
from layerline.kernels.pixels import PixelsToHidden, hidden_by_tables
from layerline.networks.activations import ACTIVATIONS, Activation, initialise
from layerline.networks.blocks import (
    DropoutRates,
    Norm,
    Width,
    after_linear,
    linear_block,
    rate_of_each,
)

Channels = Annotated[tuple[Width, ...], Field(min_length=1)]

EVALUATED_AT_ONCE = 512  # rows; 64 channels of 28 × 28 pixels are 100 MB then


class Conv1x1MLP(nn.Sequential):
    """1×1 convolutions with their activation, all pixels of all channels flattened, then the MLP.

    The textbook form is channels (64,) and hidden (256,) on images of 28 × 28.

    Options:
        channels: of each 1×1 convolution.
        hidden: the widths of the hidden layers.

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
        n_channels, height, width = input_shape
        rates = rate_of_each(dropout, len(hidden))
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((n_channels, *channels)):
            mixer = nn.Conv2d(c_in, c_out, kernel_size=1)
            initialise(mixer, activation)
            layers += [mixer, ACTIVATIONS[activation].build()]
        self.mixers = nn.Sequential(*layers)
        linear = nn.Linear(channels[-1] * height * width, hidden[0])
        initialise(linear, activation)
        self.flat = PixelsToHidden(linear)
        layers = after_linear(hidden[0], activation, norm, rates[0])
        for (d_in, d_hidden), rate in zip(pairwise(hidden), rates[1:], strict=True):
            layers += linear_block(d_in, d_hidden, activation, norm, True, rate)
        self.d_hidden = hidden[-1]
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Identity() if d_out is None else Linear(hidden[-1], d_out)

    def forward(self, x: Tensor) -> Tensor:
        hidden = hidden_by_tables((*self.mixers, self.flat), x)
        if hidden is None and torch.is_grad_enabled():
            hidden = self.flat(self.mixers(x))
        elif hidden is None:
            # Every pixel has all channels: 8,192 rows at once would take gigabytes.
            chunks = x.split(EVALUATED_AT_ONCE)
            hidden = torch.cat([self.flat(self.mixers(chunk)) for chunk in chunks])
        return self.head(self.blocks(hidden))
