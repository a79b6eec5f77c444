"""The multilayer perceptron."""

from itertools import pairwise
from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh"]
Width = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


class MLP(nn.Module):
    """Blocks of Linear, norm, activation and dropout, then a linear head.

    Shape: (B, F) or (B, C, H, W), float32 -> (B, d_out); (B, d_hidden) when `d_out` is None.

    Source: Goodfellow, Bengio, Courville, Deep Learning (2016), chapter 6.

    >>> import torch
    >>> MLP(input_shape=(4,), d_out=3, hidden=(8,))(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        hidden: tuple[Width, ...] = (256, 128),
        activation: Activation = "relu",
        norm: Literal["none", "batch", "layer"] = "batch",
        dropout: Probability = 0.1,
        input_dropout: Probability = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        widths = [prod(input_shape), *hidden]
        blocks: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        if input_dropout:
            blocks.append(nn.Dropout(input_dropout))
        for d_in, d_hidden in pairwise(widths):
            # Batch norm subtracts the mean, so a bias before it could never be felt.
            linear = nn.Linear(d_in, d_hidden, bias=bias and norm != "batch")
            _initialise(linear, activation)
            blocks.append(linear)
            if norm == "batch":
                blocks.append(nn.BatchNorm1d(d_hidden))
            elif norm == "layer":
                blocks.append(nn.LayerNorm(d_hidden))
            blocks.append(ACTIVATIONS[activation]())
            if dropout:
                blocks.append(nn.Dropout(dropout))
        self.d_hidden = widths[-1]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Identity() if d_out is None else nn.Linear(widths[-1], d_out, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))


def _initialise(linear: nn.Linear, activation: str) -> None:
    """He's initialisation for the rectifier family, Glorot's for the saturating ones.

    Source: He et al., Delving Deep into Rectifiers (2015); Glorot and Bengio (2010); Klambauer et
    al., Self-Normalizing Neural Networks (2017) for selu.
    """
    if activation in ("sigmoid", "tanh"):
        nn.init.xavier_uniform_(linear.weight)
    else:
        nn.init.kaiming_normal_(
            linear.weight, nonlinearity="linear" if activation == "selu" else "relu"
        )
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
