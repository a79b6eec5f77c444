"""Activations by name, and the initialisation each of them needs.

To add one: a line in ACTIVATIONS.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from layerline.lookup import one_of


@dataclasses.dataclass(frozen=True)
class ActivationKind:
    """An activation, whose weights keep the size of signals through it, and whether it falls."""

    build: Callable[[], nn.Module]
    weights: Literal["he", "glorot", "lecun"] = "he"
    never_falls: bool = True


ACTIVATIONS: dict[str, ActivationKind] = {
    "relu": ActivationKind(nn.ReLU),
    "leaky_relu": ActivationKind(nn.LeakyReLU),
    "elu": ActivationKind(nn.ELU),
    "selu": ActivationKind(nn.SELU, "lecun"),
    "gelu": ActivationKind(nn.GELU, never_falls=False),
    "silu": ActivationKind(nn.SiLU, never_falls=False),
    "mish": ActivationKind(nn.Mish, never_falls=False),
    "sigmoid": ActivationKind(nn.Sigmoid, "glorot"),
    "tanh": ActivationKind(nn.Tanh, "glorot"),
}

Activation = Annotated[
    str, one_of(ACTIVATIONS), Field(description="The function after each hidden layer.")
]


def is_activation(module: nn.Module) -> bool:
    """Whether the module is an activation of the table."""
    return isinstance(module, _TYPES)


_TYPES = tuple(type(kind.build()) for kind in ACTIVATIONS.values())


def initialise(layer: nn.Linear | nn.Conv2d, activation: str) -> None:
    """Draw a layer's weights so that signals keep their size through `activation`; biases are zero.

    Glorot's for the saturating ones, LeCun's for selu, He's for relu and its like (leaky, elu,
    gelu, silu, mish): their second moments after a standard normal input lie between 0.36 and 0.65,
    relu's is 0.5.

    Source: Glorot and Bengio (2010); LeCun et al., Efficient BackProp (1998), which Klambauer et
    al., Self-Normalizing Neural Networks (2017) ask for; He et al., Delving Deep into Rectifiers
    (2015).
    """
    weights = ACTIVATIONS[activation].weights
    if weights == "glorot":
        nn.init.xavier_uniform_(layer.weight)
    else:
        nonlinearity: Literal["linear", "relu"] = "linear" if weights == "lecun" else "relu"
        nn.init.kaiming_normal_(layer.weight, nonlinearity=nonlinearity)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
