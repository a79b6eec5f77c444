"""1×1 convolutions and an MLP: the fast way and the plain way are one network."""

import pytest
import torch
from torch import Tensor, nn

from layerline.kernels.pixels import MIN_ROWS_FOR_TABLES
from layerline.networks.conv1x1_mlp import Conv1x1MLP


def textbook(network: Conv1x1MLP) -> nn.Sequential:
    """The network as a textbook writes it, with the same weights."""
    convolution, head = network.mixers[0], network.head
    first = nn.Linear(*network.flat.weight.shape)
    first.weight = nn.Parameter(network.flat.weight.detach().t().contiguous())
    first.bias = network.flat.bias
    return nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), first, nn.ReLU(), head)


def images(n: int, channels: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(0)
    pixels = torch.rand(n, channels, 8, 8, generator=g)
    return torch.where(pixels > 0.6, pixels, 0.0) - 0.2


@pytest.mark.parametrize("n_rows", [MIN_ROWS_FOR_TABLES - 1, MIN_ROWS_FOR_TABLES, 600])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_textbook_network(n_rows: int, channels: int) -> None:
    torch.manual_seed(0)
    network = Conv1x1MLP(input_shape=(channels, 8, 8), d_out=4, channels=(16,), hidden=(32,))
    nn.init.normal_(network.mixers[0].bias)
    x, y = images(n_rows, channels), torch.arange(n_rows) % 4
    plain = textbook(network)
    with torch.no_grad():
        torch.testing.assert_close(network(x), plain(x), atol=1e-5, rtol=1e-4)
    nn.functional.cross_entropy(network(x), y).backward()
    found = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    nn.functional.cross_entropy(plain(x), y).backward()
    expected = [p.grad for p in plain.parameters()]
    expected[2] = expected[2].t()  # stored input first
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_the_textbook_form_is_the_default() -> None:
    network = Conv1x1MLP(input_shape=(1, 28, 28), d_out=10)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert shapes == [(64, 1, 1, 1), (64 * 784, 256), (10, 256)]


def test_channels_and_widths_are_free() -> None:
    network = Conv1x1MLP(
        input_shape=(3, 8, 8), d_out=4, channels=(8, 5), hidden=(32, 16), dropout=(0.5, 0.0)
    )
    assert network(images(40, 3)).shape == (40, 4)
    assert network.flat.weight.shape == (5 * 64, 32)
    assert network.d_hidden == 16


def test_the_same_batch_gives_the_same_bits() -> None:
    torch.manual_seed(0)
    network = Conv1x1MLP(input_shape=(1, 8, 8), d_out=4)
    x = images(64)
    grads = []
    for _ in range(2):
        network.zero_grad()
        network(x).square().sum().backward()
        grads.append(network.flat.weight.grad.clone())
    assert torch.equal(*grads)
