"""Torchvision's classification networks, fitted to the images and the outputs at hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from layerline.errors import ParamsError
from layerline.networks import build_network, network_problems
from layerline.networks.serialization import NetworkSpec, load_network, save_network
from layerline.networks.torchvision import OPTIONS, AveragePool, fit_input
from layerline.vision import torchvision_models

SMALL = ["resnet18", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "regnet_y_400mf"]
LARGE = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "resnext50_32x4d": 32,
    "swin_t": 32,
    "swin_v2_t": 32,
    "vgg11_bn": 32,
    "vit_b_32": 32,
}


def build(name: str, shape: tuple[int, ...], d_out: int | None = 3, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_network(f"torchvision:{name}", options, input_shape=shape, d_out=d_out)


def check(name: str, side: int) -> None:
    for channels, d_out in ((1, 3), (2, None)):
        shape = (channels, side, side)
        network = build(name, shape, d_out)
        outputs = network(torch.randn(2, *shape))
        assert outputs.shape == (2, d_out or network.d_hidden)
        outputs.square().sum().backward()
        assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_small_ones_read_small_images(name: str) -> None:
    check(name, 28)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_every_other_family(name: str) -> None:
    check(name, LARGE[name])


def test_every_family_of_torchvision_is_tried() -> None:
    models = torchvision_models()
    families = {
        name.rstrip("0123456789").partition("_")[0] for name in models.list_models(module=models)
    }
    tried = {name.rstrip("0123456789").partition("_")[0] for name in (*SMALL, *LARGE)}
    assert {f.rstrip("0123456789") for f in families} - {"wide"} == {
        f.rstrip("0123456789") for f in tried
    }


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_a_grey_image_is_answered_as_its_copy_in_colours(name: str) -> None:
    network = build(name, (3, 28, 28)).eval()
    grey = torch.randn(4, 1, 28, 28)
    in_colours = network(grey.expand(-1, 3, -1, -1))
    fit_input(network, 1)
    torch.testing.assert_close(network(grey), in_colours, atol=1e-4, rtol=1e-4)


def test_more_channels_keep_the_size_of_signals() -> None:
    network = build("resnet18", (3, 28, 28)).eval()
    grey = torch.randn(4, 1, 28, 28)
    in_colours = network(grey.expand(-1, 3, -1, -1))
    fit_input(network, 6)
    torch.testing.assert_close(
        network(grey.expand(-1, 6, -1, -1)), in_colours, atol=1e-4, rtol=1e-4
    )


def test_squeezenet_can_answer_with_negative_numbers() -> None:
    assert (build("squeezenet1_1", (1, 28, 28), 1)(torch.randn(20, 1, 28, 28)) < 0).any()


def test_it_comes_back_from_disk_bit_equal(tmp_path: Path) -> None:
    spec = NetworkSpec("torchvision:squeezenet1_1", {"dropout": 0.1}, (1, 28, 28), 1, "regression")
    network = spec.build().eval()
    save_network(tmp_path, network, spec)
    loaded, found = load_network(tmp_path)
    x = torch.randn(3, 1, 28, 28)
    assert found == spec
    assert torch.equal(loaded(x), network(x))


def test_options_reach_the_builder() -> None:
    network = build("mobilenet_v3_small", (1, 28, 28), dropout=0.7)
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.7]


@pytest.mark.slow
@pytest.mark.parametrize("family", OPTIONS)
def test_every_option_of_the_table_is_taken(family: str) -> None:
    name = next(n for n in (*SMALL, *LARGE) if n.startswith(family))
    build(
        name,
        (3, 96, 96) if name != "maxvit_t" else (3, 224, 224),
        **dict.fromkeys(OPTIONS[family], 0.25),
    )


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("resnet19", {}, r"train\.network: .* no .* network 'resnet19'; near names: resnet1"),
        ("", {}, r"near names: resnet18"),
        ("resnet18", {"dropout": 0.1}, r"train\.options\.dropout: unknown key"),
        ("vgg11", {"dropout": 1.0}, r"train\.options\.dropout: input should be less than 1"),
    ],
)
def test_wrong_names_and_options_are_reported(
    name: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ParamsError, match=told):
        raise ParamsError(network_problems(f"torchvision:{name}", options))


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("densenet121", (1, 28, 28), r"28 × 28 pixels .*; use images of 32 × 32, or"),
        ("resnet18", (64,), r"reads images .* of 64 columns"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(ParamsError, match=rf"train\.network: 'torchvision:{name}' .*{told}"):
        build(name, shape)


@pytest.mark.parametrize("size", [(7, 7), (3, 2), (1, 1), 2, (None, 3)], ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (2, 3, 5, 9), (1, 2, 3, 3)], ids=str)
def test_pooling_by_products_is_torchs(size: Any, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, requires_grad=True)
    pool = AveragePool(size)
    (expected := pool(x)).square().sum().backward()
    d_expected, x.grad = x.grad, None
    (found := pool.by_products(x)).square().sum().backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(x.grad, d_expected)


def test_the_networks_pool_so() -> None:
    network = build_network("torchvision:alexnet", {}, input_shape=(3, 64, 64), d_out=2)
    assert isinstance(network.avgpool, AveragePool)
