"""Contract of every network in the table, and what the MLP alone promises."""

from itertools import product
from pathlib import Path

import pytest
import torch

from layerline.errors import DataError, ParamsError, SourceError
from layerline.networks import NETWORKS, build_network
from layerline.networks.files import NetworkSpec, load_network, save_network
from layerline.networks.mlp import ACTIVATIONS, MLP, Activation

SHAPES = [(7,), (1, 8, 8), (3, 8, 8)]


@pytest.mark.parametrize(("name", "shape"), list(product(NETWORKS, SHAPES)))
def test_outputs_have_a_row_a_row_and_learn(name: str, shape: tuple[int, ...]) -> None:
    network = build_network(name, {}, input_shape=shape, d_out=3)
    outputs = network(torch.randn(5, *shape))
    assert outputs.shape == (5, 3)
    outputs.sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_a_head_the_backbone_speaks(name: str) -> None:
    backbone = build_network(name, {}, input_shape=(7,), d_out=None)
    assert backbone(torch.randn(5, 7)).shape == (5, backbone.d_hidden)


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation_mode_treats_each_row_alone(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, {}, input_shape=(7,), d_out=3).eval()
    rows = torch.randn(6, 7)
    torch.testing.assert_close(network(rows)[2:3], network(rows[2:3]))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_network_comes_back_bit_equal(name: str, tmp_path: Path) -> None:
    spec = NetworkSpec(name, {}, (7,), 3, "multiclass", ("a", "b", "c"))
    network = spec.build().eval()
    save_network(tmp_path, network, spec)
    loaded, found = load_network(tmp_path)
    assert found == spec
    rows = torch.randn(4, 7)
    assert torch.equal(network(rows), loaded(rows))


def test_the_table_names_every_activation() -> None:
    assert set(ACTIVATIONS) == set(Activation.__args__)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_signals_keep_their_size_at_the_start(activation: Activation, norm: str) -> None:
    torch.manual_seed(0)
    mlp = MLP(input_shape=(64,), d_out=10, hidden=(256,) * 6, activation=activation, norm=norm)
    spread = mlp(torch.randn(512, 64)).std()
    assert 0.005 < spread < 5


def test_depth_and_widths_are_as_asked() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=(8, 16, 32), norm="none", dropout=0.0)
    shapes = [tuple(p.shape) for p in mlp.parameters() if p.ndim == 2]
    assert shapes == [(8, 4), (16, 8), (32, 16), (2, 32)]


def test_no_hidden_layer_is_a_linear_model() -> None:
    mlp = MLP(input_shape=(4,), d_out=2, hidden=())
    assert sum(p.numel() for p in mlp.parameters()) == 4 * 2 + 2


def test_wrong_options_are_told() -> None:
    with pytest.raises(ParamsError, match=r"train\.options\.dropout: input should be less than 1"):
        build_network("mlp", {"dropout": 1.5}, input_shape=(4,), d_out=2)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    spec = NetworkSpec("mlp", {}, (7,), 3, "multiclass", ("a", "b", "c"))
    network = spec.build()
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    with pytest.raises(DataError, match="not finite"):
        save_network(tmp_path, network, spec)
    assert not (tmp_path / "network.safetensors").exists()


@pytest.mark.parametrize("damage", ["cut", "other shape", "gone"])
def test_damaged_weights_are_refused(tmp_path: Path, damage: str) -> None:
    spec = NetworkSpec("mlp", {}, (7,), 3, "multiclass", ("a", "b", "c"))
    save_network(tmp_path, spec.build(), spec)
    path = tmp_path / "network.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "gone":
        path.unlink()
    else:
        other = NetworkSpec("mlp", {}, (8,), 3, "multiclass", ("a", "b", "c"))
        save_network(tmp_path, other.build(), spec)
    with pytest.raises(SourceError, match="cannot be loaded"):
        load_network(tmp_path)
