"""Networks whose outputs only rise, or only fall, with some inputs, whatever they learn."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from layerline.errors import ParamsError
from layerline.networks import build_network
from layerline.networks.embeddings import fit_embeddings
from layerline.networks.signed_weights import SignedWeights, hidden_directions

INPUTS = (1, 0, -1, 0)  # the last one is a code of three levels
BINS = {"name": "piecewise_linear", "width": 3, "bins": 6}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"hidden": [12, 12]},
    "batch norm": {"hidden": [12, 9], "norm": "batch"},
    "skips": {"hidden": [12, 12, 7], "norm": "none", "residual": True, "activation": "tanh"},
    "bins": {"hidden": [12, 8], "norm": "none", "numeric_embeddings": BINS},
    "own bins": {"hidden": [8], "numeric_embeddings": {**BINS, "edges": "quantile"}},
    "linear": {"hidden": []},
    "narrow": {"hidden": [1, 2, 3], "norm": "none", "activation": "leaky_relu"},
}


def rows(n: int = 60) -> Tensor:
    x = torch.randn(n, 4) * 2
    x[:, 3] = torch.randint(0, 3, (n,)).float()
    return x


def steps(network: nn.Module, column: int) -> Tensor:
    """(B, V - 1, O) what the outputs of rows change by while one input rises."""
    x = rows().repeat_interleave(41, 0)
    x[:, column] = torch.linspace(-9, 9, 41).repeat(60)
    with torch.no_grad():
        return network(x).view(60, 41, -1).diff(dim=1)


def built(options: dict[str, Any], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network = build_network("mlp", options, input_shape=(4,), d_out=2, category_sizes=(3,))
    fit_embeddings(network, rows())
    return network


def shaken(network: nn.Module) -> nn.Module:
    """As after steps that know nothing of signs."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean += torch.randn_like(module.running_mean)
                module.running_var *= 0.5 + torch.rand_like(module.running_var)
    return network.eval()


@pytest.mark.parametrize("name", KINDS)
def test_outputs_rise_and_fall_as_asked_whatever_a_step_does(name: str) -> None:
    network = built(KINDS[name])
    weights = SignedWeights([network], INPUTS, (-1, 1))
    weights.begin()
    shaken(network)
    weights.keep()
    for column, direction in ((0, 1), (2, -1)):
        moved = steps(network, column) * direction
        assert moved[..., 1].min() >= -1e-5
        assert moved[..., 0].max() <= 1e-5
        assert moved.abs().max() > 1e-3
    if name not in ("linear", "narrow"):  # the other inputs are free
        assert steps(network, 1).min() < -1e-3 < 1e-3 < steps(network, 1).max()
        assert any(steps(shaken(built(KINDS[name])), 0)[..., 1].min() < -1e-3 for _ in range(3))


def test_first_weights_get_their_signs_and_keep_signals_small() -> None:
    network = built({"hidden": [64, 64, 64], "norm": "none"})
    weights = SignedWeights([network], (1, 1, 1, 0), (1, 1))
    weights.begin()
    before = [parameter.clone() for parameter in network.parameters()]
    weights.begin()
    weights.keep()
    for old, new in zip(before, network.parameters(), strict=True):
        torch.testing.assert_close(old, new)
    with torch.no_grad():
        assert network(rows(500)).std() < 3


def test_half_of_the_units_read_only_the_other_inputs() -> None:
    assert hidden_directions(7, sees_others=True) == [0, 0, 0, 1, 1, -1, -1]
    assert hidden_directions(3, sees_others=False) == [1, 1, -1]
    network = built({"hidden": [8], "norm": "none"})
    SignedWeights([network], INPUTS, (1, 1)).begin()
    first = next(p for p in network.parameters() if p.shape == (8, 3 + network.embed.d_out - 3))
    assert not first[:4, [0, 2]].any()
    assert first[:4, 1].all()


def test_layers_that_fall_where_they_should_rise_are_refused_all_at_once() -> None:
    waves = {"name": "periodic"}
    options = {"hidden": [4], "activation": "gelu", "norm": "layer", "numeric_embeddings": waves}
    with pytest.raises(ParamsError) as caught:
        SignedWeights([built(options)], INPUTS, (1, 1))
    found = [str(problem) for problem in caught.value.problems]
    assert [text.split(":")[0] for text in found] == [
        "train.options.numeric_embeddings",
        "train.options.norm",
        "train.options.activation",
    ]
    assert "use one of relu, leaky_relu, elu, selu, sigmoid, tanh" in found[2]
