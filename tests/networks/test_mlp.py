"""What the MLP alone promises."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from layerline.kernels.linear import Linear
from layerline.networks.activations import ACTIVATIONS, Activation
from layerline.networks.blocks import Skip
from layerline.networks.mlp import MLP


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("residual", [False, True])
def test_signals_keep_their_size_at_the_start(
    activation: Activation, norm: str, residual: bool
) -> None:
    torch.manual_seed(0)
    mlp = MLP(
        input_shape=(64,),
        d_out=10,
        hidden=(256,) * 6,
        activation=activation,
        norm=norm,
        residual=residual,
    )
    assert 0.005 < mlp(torch.randn(512, 64)).std() < 5


def test_selu_normalises_itself() -> None:
    torch.manual_seed(0)
    mlp = MLP(
        input_shape=(256,),
        d_out=None,
        hidden=(256,) * 20,
        activation="selu",
        norm="none",
        dropout=0.0,
    )
    deep = mlp(torch.randn(512, 256)).detach()
    assert abs(float(deep.mean())) < 0.2
    assert float(deep.std()) == pytest.approx(1, abs=0.2)


def test_depth_and_widths_are_as_asked() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=(8, 16, 32), norm="none", dropout=0.0)
    shapes = [tuple(p.shape) for p in mlp.parameters() if p.ndim == 2]
    assert shapes == [(8, 4), (16, 8), (32, 16), (2, 32)]


def test_no_hidden_layer_is_a_linear_model() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=())
    assert sum(p.numel() for p in mlp.parameters()) == 4 * 2 + 2


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_weights_are_drawn_in_an_order_that_does_not_change(norm: str) -> None:
    """An old params.yaml gives the same first weights: layer by layer, torch's draw, then ours."""
    torch.manual_seed(5)
    mlp = MLP(input_shape=(3, 2, 2), d_out=2, hidden=(6, 5), norm=norm, activation="gelu")
    torch.manual_seed(5)
    expected = []
    for d_in, d_out in pairwise((12, 6, 5)):
        linear = nn.Linear(d_in, d_out, bias=norm != "batch")
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        expected.append(linear.weight)
    expected.append(nn.Linear(5, 2).weight)
    found = [p for p in mlp.parameters() if p.ndim == 2]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    norms = {"none": [1, 4], "batch": [1, 5], "layer": [1, 5]}[norm]
    assert [f"blocks.{place}.weight" for place in norms] == [
        name for name, p in mlp.named_parameters() if p.ndim == 2
    ][:-1]


def test_each_layer_has_its_own_dropout() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=(8, 8, 8), dropout=(0.5, 0.0, 0.25))
    assert [m.p for m in mlp.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.25]


def test_skips_go_around_every_block_but_the_first_and_project_where_widths_differ() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=(8, 8, 16), residual=True)
    skips = [m for m in mlp.blocks if isinstance(m, Skip)]
    assert [type(skip.shortcut) for skip in skips] == [nn.Identity, Linear]
    x = torch.randn(5, 8)
    with torch.no_grad():
        for p in skips[0].block.parameters():
            p.zero_()
    torch.testing.assert_close(skips[0](x), x / 2**0.5)
