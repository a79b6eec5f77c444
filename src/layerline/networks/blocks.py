"""The hidden layers of a multilayer perceptron, and the types of their options."""

from typing import Annotated, Literal

from pydantic import Field, PlainValidator
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem
from layerline.kernels.dropout import Dropout
from layerline.kernels.linear import Linear
from layerline.networks.activations import ACTIVATIONS, Activation, initialise

Width = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Norm = Annotated[
    Literal["none", "batch", "layer"], Field(description="How each hidden layer is normalised.")
]


def _read_rates(value: object) -> float | tuple[float, ...]:
    # pydantic would report every branch of a union: two lines for one mistake.
    listed = isinstance(value, list | tuple)
    rates = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(type(rate) in (int, float) and 0 <= rate < 1 for rate in rates):
        raise ValueError(
            "must be a number from 0 up to but not including 1, or a list with one such number "
            "for each hidden layer"
        )
    return rates if listed else rates[0]


DropoutRates = Annotated[
    float | tuple[float, ...],
    PlainValidator(_read_rates, json_schema_input_type=Probability | list[Probability]),
    Field(description="The share of a hidden layer's units that are dropped; or one a layer."),
]


def rate_of_each(dropout: float | tuple[float, ...], n_layers: int) -> tuple[float, ...]:
    """One dropout rate for each hidden layer.

    Raises:
        ParamsError: there is a list of rates with another length.
    """
    rates = dropout if isinstance(dropout, tuple) else (dropout,) * n_layers
    if len(rates) != n_layers:
        message = f"needs one rate for each of the {n_layers} hidden layers, has {len(rates)}"
        raise ParamsError([Problem("train.options.dropout", message)])
    return rates


def linear_block(
    d_in: int, d_out: int, activation: Activation, norm: Norm, bias: bool, dropout: float
) -> list[nn.Module]:
    """Linear, norm, activation, dropout: (B, d_in) -> (B, d_out)."""
    # Batch norm subtracts the mean, so a bias before it would have no effect.
    linear = Linear(d_in, d_out, bias=bias and norm != "batch")
    initialise(linear, activation)
    return [linear, *after_linear(d_out, activation, norm, dropout)]


def after_linear(width: int, activation: Activation, norm: Norm, dropout: float) -> list[nn.Module]:
    """What follows a block's linear map: norm, activation, dropout."""
    layers: list[nn.Module] = []
    if norm == "batch":
        layers.append(nn.BatchNorm1d(width))
    elif norm == "layer":
        layers.append(nn.LayerNorm(width))
    layers.append(ACTIVATIONS[activation].build())
    if dropout:
        layers.append(Dropout(dropout))
    return layers


class Skip(nn.Module):
    """(x + block(x)) / √2, which keeps the size of signals; x is projected where widths differ.

    Shape: (B, d_in) -> (B, d_out).

    Source: He et al., Deep Residual Learning (2016), section 3.2, option B for the projections.
    """

    def __init__(self, d_in: int, d_out: int, block: list[nn.Module]) -> None:
        super().__init__()
        self.block = nn.Sequential(*block)
        self.shortcut: nn.Module = nn.Identity()
        if d_in != d_out:
            self.shortcut = Linear(d_in, d_out, bias=False)
            nn.init.kaiming_normal_(self.shortcut.weight, nonlinearity="linear")

    def forward(self, x: Tensor) -> Tensor:
        return (self.shortcut(x) + self.block(x)) * 0.5**0.5
