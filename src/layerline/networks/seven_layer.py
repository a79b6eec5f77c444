"""Seven layers without biases: the textbook network whose forward pass is worked out on paper."""

from itertools import pairwise
from math import prod
from typing import Annotated

from pydantic import Field
from torch import nn

from layerline.kernels.linear import Linear
from layerline.networks.activations import initialise
from layerline.networks.blocks import Width

SixWidths = Annotated[tuple[Width, ...], Field(min_length=6, max_length=6)]


class SevenLayer(nn.Sequential):
    """Seven weight matrices, ReLU after each but the last: x W₁ᵀ, then relu(·) W₂ᵀ, ... W₇ᵀ.

    No bias, norm or dropout, so each number of the forward pass can be followed on paper; `trace`
    records them all.

    Options:
        hidden: the widths of the six hidden layers.

    Shape: (B, F) or (B, C, H, W), float32 -> (B, d_out); (B, d_hidden) when `d_out` is None.

    Source: Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.1; He et al. (2015) for
    the initial weights.

    >>> import torch
    >>> SevenLayer(input_shape=(4,), d_out=3)(torch.zeros(2, 4))
    tensor([[0., 0., 0.],
            [0., 0., 0.]], grad_fn=<MmBackward0>)
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        hidden: SixWidths = (128, 96, 64, 48, 32, 24),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        for d_in, d_hidden in pairwise((prod(input_shape), *hidden)):
            linear = Linear(d_in, d_hidden, bias=False)
            initialise(linear, "relu")
            layers += [linear, nn.ReLU()]
        self.d_hidden = hidden[-1]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Identity() if d_out is None else Linear(hidden[-1], d_out, bias=False)
