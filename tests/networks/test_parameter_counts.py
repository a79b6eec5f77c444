"""The table of parameters."""

from layerline.networks.mlp import MLP
from layerline.networks.parameter_counts import list_weights, n_parameters


def test_every_weight_is_counted_once_and_frozen_ones_are_reported() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=(8,))
    mlp.head.weight.requires_grad_(False)
    table = list_weights(mlp)
    assert [(w.name, w.shape, w.n_parameters, w.learns) for w in table] == [
        ("blocks.0.weight", (8, 4), 32, True),
        ("blocks.1.weight", (8,), 8, True),
        ("blocks.1.bias", (8,), 8, True),
        ("head.weight", (2, 8), 16, False),
        ("head.bias", (2,), 2, True),
    ]
    assert n_parameters(mlp) == 66
