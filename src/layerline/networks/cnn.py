"""A small convolutional network for images of 8 × 8 to 64 × 64 pixels."""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.kernels.dropout import Dropout
from layerline.kernels.linear import Linear
from layerline.networks.activations import ACTIVATIONS, Activation, initialise
from layerline.networks.blocks import Probability, Width


class CNN(nn.Module):
    """Blocks of convolution, batch norm and activation, each ending in 2 × 2 max pooling; a head.

    Options:
        channels: of the convolutions of each block.
        convs_per_block: before the pooling.
        kernel: the side of each convolution's window.
        dropout: the share of features that are dropped before the head.

    Shape: (B, C, H, W), float32 -> (B, d_out); (B, d_hidden) when `d_out` is None.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks (2015), with batch norm (Ioffe
    and Szegedy, 2015).

    >>> import torch
    >>> CNN(input_shape=(1, 8, 8), d_out=3)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (32, 64, 128),
        convs_per_block: Width = 1,
        kernel: Literal[1, 3, 5, 7] = 3,
        activation: Activation = "relu",
        dropout: Probability = 0.2,
    ) -> None:
        super().__init__()
        n_channels, height, width = input_shape
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((n_channels, *channels)):
            for number in range(convs_per_block):
                layers += _convolution(c_out if number else c_in, c_out, kernel, activation)
            if min(height, width) > 1:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
        self.d_hidden = channels[-1] * height * width
        self.blocks = nn.Sequential(*layers, nn.Flatten(), Dropout(dropout))
        self.head = nn.Identity() if d_out is None else Linear(self.d_hidden, d_out)
        # Otherwise oneDNN would reorder every layer's input and output.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))


def _convolution(c_in: int, c_out: int, kernel: int, activation: Activation) -> list[nn.Module]:
    """Convolution, batch norm, activation: (B, c_in, H, W) -> (B, c_out, H, W)."""
    convolution = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
    initialise(convolution, activation)
    return [convolution, nn.BatchNorm2d(c_out), ACTIVATIONS[activation].build()]
