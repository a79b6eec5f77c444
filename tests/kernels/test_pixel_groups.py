"""ReLUs of pixels times a matrix, by groups: the gradients of autograd in float64."""

import copy

import pytest
import torch

from layerline.kernels import pixel_groups
from layerline.kernels.chain import chain_network
from layerline.kernels.pixel_groups import PixelGroups
from layerline.networks.conv1x1_mlp import Conv1x1MLP


@pytest.fixture
def network() -> Conv1x1MLP:
    torch.manual_seed(0)
    network = Conv1x1MLP(input_shape=(1, 7, 5), d_out=3, channels=(11,), hidden=(16,))
    torch.nn.init.normal_(network.mixers[0].bias, std=0.5)
    torch.nn.init.normal_(network.flat.bias)
    return network


def groups_of(network: Conv1x1MLP) -> PixelGroups:
    chained = chain_network(network, torch.bfloat16)
    assert chained is not None
    product = chained.chain.links[0].product
    assert isinstance(product, PixelGroups)
    return product


def parameters(network: Conv1x1MLP) -> list[torch.nn.Parameter]:
    return [*network.mixers.parameters(), *network.flat.parameters()]


def errors(found: list[torch.Tensor], exact: list[torch.Tensor]) -> list[float]:
    pairs = zip(found, exact, strict=True)
    return [float((one.double() - two).abs().max() / two.abs().max()) for one, two in pairs]


def by_autograd(network, x, d_output, dtype=torch.float64) -> list[torch.Tensor]:
    network.zero_grad()
    network = network.double() if dtype == torch.float64 else network.float()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        output = network.flat(network.mixers(x.double() if dtype == torch.float64 else x.float()))
    output.backward(d_output.to(output.dtype))
    return [output.detach(), *(p.grad.clone() for p in parameters(network))]


@pytest.mark.parametrize("at_once", [1, 4, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_is_the_convolution_and_the_product(network, monkeypatch, at_once, dtype) -> None:
    monkeypatch.setattr(pixel_groups, "CHANNELS_AT_ONCE", at_once)
    x, d_output = torch.randn(60, 1, 7, 5).to(dtype), torch.randn(60, 16).to(dtype)
    exact = by_autograd(network, x, d_output)
    modules = by_autograd(network, x, d_output, dtype)
    network.float().zero_grad()
    product = groups_of(network)
    with torch.no_grad():
        output, saved = product.forward(x, relu=False)
        closed, _ = product.forward(x, relu=True)
        assert product.backward(d_output, saved, needs_input=False) is None
    assert output.dtype == dtype
    assert torch.equal(closed, output.relu())
    found = [output, *(p.grad for p in parameters(network))]
    for ours, theirs in zip(errors(found, exact), errors(modules, exact), strict=True):
        assert ours < 1.5 * theirs + 1e-3 * (dtype == torch.bfloat16) + 1e-6


def test_memory_is_kept_and_gradients_are_added(network) -> None:
    product = groups_of(network)
    x, d_output = torch.randn(9, 1, 7, 5), torch.randn(9, 16)
    with torch.no_grad():
        for _ in range(2):
            _, saved = product.forward(x, relu=False)
            product.backward(d_output, saved, needs_input=False)
    twice = [p.grad.clone() for p in parameters(network)]
    place = network.flat.weight.grad.data_ptr()
    network.zero_grad()
    with torch.no_grad():
        _, saved = product.forward(x, relu=False)
        product.backward(d_output, saved, needs_input=False)
    assert network.flat.weight.grad.data_ptr() == place
    for parameter, double in zip(parameters(network), twice, strict=True):
        torch.testing.assert_close(2 * parameter.grad, double)


def test_what_is_frozen_gets_no_gradient(network) -> None:
    network.flat.requires_grad_(False)
    product = groups_of(network)
    assert product.learns
    with torch.no_grad():
        _, saved = product.forward(torch.randn(9, 1, 7, 5), relu=False)
        product.backward(torch.randn(9, 16), saved, needs_input=False)
    assert network.flat.weight.grad is None
    assert network.flat.bias.grad is None
    assert network.mixers[0].weight.grad is not None
    network.mixers.requires_grad_(False)
    assert not product.learns


def test_other_forms_and_adapters_keep_their_modules(network) -> None:
    for options in ({"channels": (4, 5)}, {"activation": "gelu"}):
        other = Conv1x1MLP(input_shape=(1, 7, 5), d_out=3, **options)
        assert chain_network(other, torch.bfloat16) is None
    parametrize = torch.nn.utils.parametrize
    for layer in (network.mixers[0], network.flat):
        adapted = copy.deepcopy(network)
        layer = adapted.get_submodule("flat" if layer is network.flat else "mixers.0")
        parametrize.register_parametrization(layer, "weight", torch.nn.Identity())
        assert chain_network(adapted, torch.bfloat16) is None


def test_float32_keeps_its_tables() -> None:
    network = Conv1x1MLP(input_shape=(1, 7, 5), d_out=3, hidden=(16, 8))
    assert chain_network(network, torch.bfloat16) is not None
    assert chain_network(network, torch.float32) is None
