"""The chain computes what autograd computes from the same layers."""

import copy
import sys
from functools import partial

import pytest
import torch
from torch import nn

from layerline.kernels import linear
from layerline.kernels.chain import Chain, chain_network, leaf_layers, split_chain
from layerline.kernels.row_type import row_type
from layerline.networks import build_network
from layerline.networks.conv1x1_mlp import Conv1x1MLP
from layerline.training.objectives.target_statistics import value_and_gradient


def mlp(shape: tuple[int, ...] = (40,), **options: object) -> nn.Module:
    torch.manual_seed(0)
    given = {"hidden": [300, 60], **options}
    return build_network("mlp", given, input_shape=shape, d_out=3).train()


def gradients(network: nn.Module) -> dict[str, torch.Tensor | None]:
    return {name: parameter.grad for name, parameter in network.named_parameters()}


def run_by_autograd(network: nn.Module, x: torch.Tensor, d_output: torch.Tensor, dtype) -> list:
    x = x.clone().requires_grad_()
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        output = network(x)
    output.backward(d_output)
    return [output.detach(), x.grad, gradients(network), network.state_dict()]


def run_chain(network: nn.Module, x: torch.Tensor, d_output: torch.Tensor, dtype) -> list:
    before, chain = chain_of(network)
    torch.manual_seed(1)
    for layer in before:
        x = layer(x)
    with torch.no_grad():
        output, saved = chain.forward(x.to(dtype))
        d_x = chain.backward(d_output.clone(), saved, needs_input=True)
    return [output, d_x.to(x.dtype), gradients(network), network.state_dict()]


def chain_of(network: nn.Module) -> tuple[list[nn.Module], Chain]:
    found = split_chain(list(leaf_layers(network)))
    assert found is not None
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("by_onednn", [True, False])
def test_outputs_gradients_and_statistics_are_autograds(
    by_onednn, norm, dropout, bias, dtype, monkeypatch
) -> None:
    monkeypatch.setattr(linear, "mkl_lacks_avx512", lambda: by_onednn)
    first = mlp(norm=norm, dropout=dropout, bias=bias)
    second = copy.deepcopy(first)
    x, d_output = torch.randn(400, 40), torch.randn(400, 3).to(dtype)  # enough for oneDNN
    expected = run_by_autograd(first, x, d_output, dtype)
    found = run_chain(second, x, d_output, dtype)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_seven_layers_and_images_too() -> None:
    first = build_network("seven_layer", {}, input_shape=(1, 6, 6), d_out=3)
    second = copy.deepcopy(first)
    x, d_output = torch.randn(50, 1, 6, 6), torch.randn(50, 3)
    before, _ = chain_of(second)
    assert [type(layer) for layer in before] == [nn.Flatten]
    expected, found = (
        run(network, x, d_output, torch.float32)
        for run, network in ((run_by_autograd, first), (run_chain, second))
    )
    found[1] = found[1].view_as(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_added_to_those_that_are_there() -> None:
    network = mlp(norm="batch", dropout=0.0)
    x, d_output = torch.randn(20, 40), torch.randn(20, 3)
    once = copy.deepcopy(run_chain(network, x, d_output, torch.float32)[2])
    twice = run_chain(network, x, d_output, torch.float32)[2]
    for name, gradient in once.items():
        torch.testing.assert_close(twice[name], 2 * gradient)


def test_what_is_frozen_gets_no_gradient_and_nothing_below_it_is_computed() -> None:
    network = mlp(norm="none", dropout=0.0)
    for parameter in network.blocks[:2].parameters():
        parameter.requires_grad_(False)
    network.blocks[2].bias.requires_grad_(False)
    _, chain = chain_of(network)
    assert chain.lowest == 1
    with torch.no_grad():
        output, saved = chain.forward(torch.randn(20, 40))
        assert chain.backward(torch.ones_like(output), saved, needs_input=False) is None
    assert len(saved) == 1  # the first link's, untouched
    learnt = {name for name, gradient in gradients(network).items() if gradient is not None}
    assert learnt == {"blocks.2.weight", "head.weight", "head.bias"}


@pytest.mark.parametrize(
    "options",
    [{"norm": "layer"}, {"activation": "gelu"}, {"residual": True}, {"hidden": []}],
    ids=str,
)
def test_other_layers_are_left_to_autograd(options: dict) -> None:
    assert chain_network(mlp(**options), torch.float32) is None


def test_a_norm_that_does_not_learn_its_statistics_is_left_to_autograd() -> None:
    network = mlp(norm="batch")
    network.blocks[1].eval()
    before, chain = chain_of(network)
    assert before == list(network.blocks[:4])
    assert len(chain.links) == 2


def test_an_adapter_is_left_to_autograd() -> None:
    network = mlp(norm="none", dropout=0.0)
    nn.utils.parametrize.register_parametrization(network.blocks[2], "weight", nn.Identity())
    assert chain_network(network, torch.float32) is None


def test_embeddings_come_before_the_chain() -> None:
    network = build_network("mlp", {}, input_shape=(6,), d_out=2, category_sizes=(4, 5)).train()
    before, chain = chain_of(network)
    assert before == [network.embed]
    assert len(chain.links) == 3


def test_what_comes_before_the_chain_gets_autograds_gradients_without_sympy(monkeypatch) -> None:
    first = mlp((4,), numeric_embeddings="periodic", dropout=0.0)
    second = copy.deepcopy(first)
    x, y = torch.randn(30, 4), torch.randn(30, 3)
    ((first(x) - y) ** 2).mean().backward()
    chained = chain_network(second, torch.float32)
    assert chained is not None
    loss = partial(value_and_gradient, lambda outputs, targets: ((outputs - targets) ** 2).mean())
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "torch.fx.experimental.symbolic_shapes", None)
        chained.backward(x, y, loss)
    assert chained.before
    torch.testing.assert_close(gradients(second), gradients(first), rtol=1e-4, atol=1e-6)


def test_rows_have_the_type_of_the_product_that_reads_them_first() -> None:
    embedding = build_network("mlp", {}, input_shape=(6,), d_out=2, category_sizes=(4, 5))
    pixels = Conv1x1MLP(input_shape=(1, 8, 8), d_out=3)
    for network in (mlp(), mlp((1, 5, 8))):
        assert row_type(network, torch.bfloat16) == torch.bfloat16
        assert row_type(network, torch.float32) == torch.float32
    for network in (embedding, pixels, mlp(input_dropout=0.1), nn.Linear(3, 4)):
        assert row_type(network, torch.bfloat16) == torch.float32


def test_one_row_has_no_deviation() -> None:
    _, chain = chain_of(mlp(norm="batch"))
    with pytest.raises(ValueError, match="two rows"), torch.no_grad():
        chain.forward(torch.randn(1, 40))


def test_an_identity_at_the_end_is_no_layer() -> None:
    network = build_network("mlp", {"hidden": [8, 6]}, input_shape=(5,), d_out=None).train()
    _, chain = chain_of(network)
    assert len(chain.links) == 2
    assert chain.links[-1].is_relu
