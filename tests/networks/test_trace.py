"""A trace is the forward pass as it is worked by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from layerline.networks import build_network
from layerline.networks.activations import is_activation
from layerline.networks.mlp import MLP
from layerline.networks.seven_layer import SevenLayer
from layerline.networks.trace import trace


def network_and_rows() -> tuple[SevenLayer, Tensor]:
    torch.manual_seed(0)
    return SevenLayer(input_shape=(1, 8, 8), d_out=10), torch.rand(30, 1, 8, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_seven_layers_by_hand(dtype: torch.dtype) -> None:
    network, x = network_and_rows()
    layers = trace(network.to(dtype), x.to(dtype))
    weights = [p.detach().numpy().astype(np.float64) for p in network.parameters()]
    assert len(layers) == len(weights) == 7
    a = x.numpy().reshape(30, -1).astype(np.float64)
    for number, (layer, weight) in enumerate(zip(layers, weights, strict=True)):
        z = a @ weight.T
        a = z if number == 6 else np.maximum(z, 0)
        np.testing.assert_allclose(layer.pre_activation.numpy(), z, atol=1e-6)
        np.testing.assert_allclose(layer.activation.numpy(), a, atol=1e-6)
        dead = np.flatnonzero((a == 0).all(axis=0)) if number < 6 else []
        assert list(layer.dead_units) == list(dead)
        assert np.array_equal(layer.silent.numpy(), (a == 0) & (number < 6))


def test_a_unit_that_nothing_wakes_is_dead() -> None:
    network, x = network_and_rows()
    with torch.no_grad():
        network.layers[1].weight[[3, 7]] = -1.0  # the pixels are all positive
    first, *_ = trace(network, x)
    assert {3, 7} <= set(first.dead_units)
    assert set(trace(network, x[:1])[0].dead_units) >= set(first.dead_units)


def test_there_is_no_bias() -> None:
    network, _ = network_and_rows()
    assert {p.ndim for p in network.parameters()} == {2}
    assert not network(torch.zeros(1, 1, 8, 8)).any()


def test_an_mlp_can_be_traced_and_stays_as_it_was() -> None:
    torch.manual_seed(0)
    mlp = MLP(input_shape=(4,), d_out=3, hidden=(8, 6), activation="gelu")
    before = {key: value.clone() for key, value in mlp.state_dict().items()}
    x = torch.randn(20, 4)
    first, second, head = trace(mlp, x)
    assert mlp.training
    assert all(torch.equal(value, before[key]) for key, value in mlp.state_dict().items())
    assert not any(module._forward_hooks for module in mlp.modules())
    mlp.eval()
    torch.testing.assert_close(first.pre_activation, mlp.blocks[1](mlp.blocks[0](x)))
    torch.testing.assert_close(second.activation, nn.functional.gelu(second.pre_activation))
    assert head.is_output
    assert torch.equal(head.activation, mlp(x))


def test_no_row_is_reported() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        trace(*(network_and_rows()[0], torch.zeros(0, 1, 8, 8)))


@pytest.mark.parametrize("n_rows", [5, 40, 600])  # of its short cuts: none, tables, pieces
@pytest.mark.parametrize(
    ("network", "options", "channels"),
    [("conv1x1_mlp", {"channels": [4], "hidden": [6]}, c) for c in (1, 3)]
    + [("cnn", {"channels": [4, 5]}, 1)],
)
def test_every_activation_is_there_once_with_all_rows(n_rows, network, options, channels) -> None:
    shape = (channels, 8, 8)
    built = build_network(network, options, input_shape=shape, d_out=3)
    x = torch.randn(n_rows, *shape)
    layers = trace(built, x)
    names = [name for name, module in built.named_modules() if is_activation(module)]
    assert [layer.name for layer in layers] == [*names, "head"]
    assert all(len(layer.activation) == n_rows for layer in layers)
    for layer in layers[:-1]:
        torch.testing.assert_close(layer.activation, layer.pre_activation.relu())
    torch.testing.assert_close(layers[-1].activation, built.eval()(x).detach())


def test_a_dead_channel_is_one_unit() -> None:
    built = build_network("cnn", {"channels": [4]}, input_shape=(1, 8, 8), d_out=3)
    with torch.no_grad():
        built.blocks[1].bias[2] = -100.0
    first, _ = trace(built, torch.rand(6, 1, 8, 8))
    assert first.dead_units == (2,)


def test_a_value_overwritten_in_place_is_traced_as_it_was() -> None:
    network = build_network("torchvision:resnet18", {}, input_shape=(3, 32, 32), d_out=3)
    layers = trace(network, torch.randn(4, 3, 32, 32))
    assert layers[0].pre_activation.min() < 0
    torch.testing.assert_close(layers[0].activation, layers[0].pre_activation.relu())
