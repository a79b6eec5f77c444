"""The first layers of 1 × 1 convolutions and a wide matrix: which fast form computes them.

One grey channel, one convolution and ReLU have two: by tables (pixel_tables.py), and in groups of
channels (pixel_groups.py), which the chain takes for bfloat16.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from layerline.kernels.pixel_tables import PixelTables, from_background
from layerline.kernels.switch import is_on

MIN_ROWS_FOR_TABLES = 32


class PixelsToHidden(nn.Module):
    """A linear layer over all pixels of all channels; its weight is stored input first: (C·P, J).

    Shape: (B, C, H, W) -> (B, J).
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        # The J weights of a pixel must be neighbours: the tables are gathered by such rows.
        self.weight = nn.Parameter(linear.weight.detach().t().contiguous())
        self.bias = nn.Parameter(linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.flatten(1), self.weight)


class GreyPixels(NamedTuple):
    """A convolution of one pixel from one channel, and the matrix that follows its ReLU."""

    mixer: nn.Conv2d
    flat: PixelsToHidden

    @property
    def is_plain(self) -> bool:
        """Whether neither has an adapter, which makes another class of it."""
        return type(self.mixer) is nn.Conv2d and type(self.flat) is PixelsToHidden


def find_pixels(layers: Sequence[Any]) -> GreyPixels | None:
    """The first three layers, where they are such a convolution, ReLU and matrix."""
    if len(layers) < 3:
        return None
    mixer, activation, flat = layers[:3]
    if not isinstance(mixer, nn.Conv2d) or not isinstance(flat, PixelsToHidden):
        return None
    is_grey = mixer.in_channels == 1 and mixer.kernel_size == (1, 1) and mixer.bias is not None
    return GreyPixels(mixer, flat) if is_grey and type(activation) is nn.ReLU else None


def hidden_by_tables(layers: Sequence[nn.Module], x: Tensor) -> Tensor | None:
    """The output (B, J) of these first layers for x (B, 1, H, W); None where tables do not pay.

    They pay on a CPU in float32; bfloat16 is chosen where a product is faster than memory.
    """
    pixels = find_pixels(layers)
    pays = (
        pixels is not None
        and x.device.type == "cpu"
        and len(x) >= MIN_ROWS_FOR_TABLES
        and not x.requires_grad
        and not torch.is_autocast_enabled("cpu")
        and is_on("pixel_tables")
    )
    if not pays or pixels is None or pixels.mixer.bias is None:
        return None
    bias = pixels.mixer.bias
    u, weight, bias = from_background(x.flatten(1), pixels.mixer.weight.flatten(), bias)
    by_pixel = pixels.flat.weight.view(len(bias), u.shape[1], -1)
    hidden: Tensor = PixelTables.apply(u, weight, bias, by_pixel) + pixels.flat.bias
    return hidden
