"""Activations by name, and the initialisation each asks for.

To add one: a line in ACTIVATIONS, its name in Activation, and its place in `initialise`.
"""

from typing import Literal

from torch import nn

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

SATURATING = frozenset({"sigmoid", "tanh"})
SELF_NORMALISING = frozenset({"selu"})


def initialise(layer: nn.Linear | nn.Conv2d, activation: str) -> None:
    """Draw a layer's weights so that signals keep their size through `activation`; biases are zero.

    Glorot's for the saturating ones, LeCun's for selu, He's for relu and those of its shape (leaky,
    elu, gelu, silu, mish): their second moments after a standard normal input lie between 0.36 and
    0.65, relu's is 0.5.

    Source: Glorot and Bengio (2010); LeCun et al., Efficient BackProp (1998), which Klambauer et
    al., Self-Normalizing Neural Networks (2017) ask for; He et al., Delving Deep into Rectifiers
    (2015).
    """
    if activation in SATURATING:
        nn.init.xavier_uniform_(layer.weight)
    else:
        is_linear = activation in SELF_NORMALISING
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if is_linear else "relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
