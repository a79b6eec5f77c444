"""The contract of every network in the table."""

import contextlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import layerline.networks
from layerline.errors import ParamsError
from layerline.kernels import switch
from layerline.networks import NETWORKS, build_network, foreign_options, network_problems
from layerline.networks.serialization import NetworkSpec, load_network, save_network

TABLE = (7,)
IMAGES = [(1, 8, 8), (3, 8, 8), (1, 28, 20)]
READ_TABLES = {name for name, line in NETWORKS.items() if line.reads_tables}
EMBED_CATEGORIES = {name for name, line in NETWORKS.items() if line.embeds_categories}
CASES = [
    (name, shape)
    for name, shape in product(NETWORKS, [TABLE, *IMAGES])
    if shape != TABLE or name in READ_TABLES
]
ONE_EACH = [(name, TABLE if name in READ_TABLES else IMAGES[0]) for name in NETWORKS]


def build(name: str, shape: tuple[int, ...], d_out: int | None = 3, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_network(name, options, input_shape=shape, d_out=d_out)


def rows(n: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True, params=["kernels", "torch"])
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of this module runs with the kernels and without."""
    with contextlib.nullcontext() if request.param == "kernels" else switch.without():
        yield


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_kernels_change_no_output_and_no_gradient(name: str, shape: tuple[int, ...]) -> None:
    found = []
    for context in (contextlib.nullcontext(), switch.without()):
        network, x = build(name, shape), rows(40, shape)
        with context:
            outputs = network(x)
            outputs.sin().sum().backward()
            gradients = [parameter.grad for parameter in network.parameters()]
            found.append([outputs.detach(), network.eval()(x).detach(), *gradients])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_every_architecture_is_in_the_table() -> None:
    modules = pkgutil.iter_modules(layerline.networks.__path__, "layerline.networks.")
    items = [item for m in modules for item in vars(importlib.import_module(m.name)).values()]
    classes = {item for item in items if inspect.isclass(item) and issubclass(item, nn.Module)}
    sized = {c for c in classes if {"input_shape", "d_out"} <= {*inspect.signature(c).parameters}}
    assert sized == {architecture.build for architecture in NETWORKS.values()}


@pytest.mark.parametrize("name", NETWORKS)
def test_arguments_are_keyword_only_and_options_have_defaults(name: str) -> None:
    for parameter in inspect.signature(NETWORKS[name].build).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert (
            parameter.name in ("input_shape", "d_out") or parameter.default is not parameter.empty
        )


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_outputs_have_a_row_a_row_and_the_gradient_reaches_every_weight(
    name: str, shape: tuple[int, ...]
) -> None:
    network = build(name, shape)
    for n in (40, 2):
        outputs = network(rows(n, shape))
        assert outputs.shape == (n, 3)
        outputs.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_without_a_head_the_backbone_speaks(name: str, shape: tuple[int, ...]) -> None:
    backbone = build(name, shape, None)
    assert backbone(rows(5, shape)).shape == (5, backbone.d_hidden)
    with_head = {name for name, _ in build(name, shape).named_parameters()}
    lost = with_head - {name for name, _ in backbone.named_parameters()}
    assert all(name.endswith(("head.weight", "head.bias")) for name in lost)


@pytest.mark.parametrize(("name", "shape"), ONE_EACH)
def test_evaluation_mode_treats_each_row_alone(name: str, shape: tuple[int, ...]) -> None:
    network = build(name, shape).eval()
    x = rows(50, shape)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[2:3], network(x[2:3]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_a_saved_network_comes_back_bit_equal(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    spec = NetworkSpec(name, {}, shape, 3, "multiclass", ("a", "b", "c"))
    network = spec.build()
    network(rows(8, shape))  # running statistics are saved too
    save_network(tmp_path, network, spec)
    loaded, found = load_network(tmp_path)
    assert found == spec
    assert not loaded.training
    x = rows(4, shape)
    assert torch.equal(network.eval()(x), loaded(x))
    (again := tmp_path / "again").mkdir()
    save_network(again, loaded, found)
    assert (again / "network.safetensors").read_bytes() == (
        tmp_path / "network.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(("name", "shape"), ONE_EACH)
def test_the_seed_alone_decides_the_first_weights(name: str, shape: tuple[int, ...]) -> None:
    first, second = build(name, shape).state_dict(), build(name, shape).state_dict()
    torch.manual_seed(1)
    other = build_network(name, {}, input_shape=shape, d_out=3).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(("name", "shape"), ONE_EACH)
def test_it_overfits_32_rows(name: str, shape: tuple[int, ...]) -> None:
    has_dropout = "dropout" in inspect.signature(NETWORKS[name].build).parameters
    options = {"dropout": 0.0} if has_dropout else {}
    network = build(name, shape, **options)
    x, y = rows(32, shape), torch.arange(32) % 3
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    assert (network.eval()(x).argmax(1) == y).double().mean() > 0.95


@pytest.mark.parametrize(("name", "shape"), ONE_EACH)
def test_bfloat16_gives_nearly_the_same(name: str, shape: tuple[int, ...]) -> None:
    network = build(name, shape).eval()
    x = rows(40, shape)
    with torch.no_grad():
        exact = network(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(x).float()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - READ_TABLES))
def test_a_table_is_refused_by_what_reads_images(name: str) -> None:
    with pytest.raises(
        ParamsError, match=rf"train\.network: '{name}' reads images .* a table of 7 columns"
    ):
        build(name, TABLE)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - EMBED_CATEGORIES))
def test_codes_are_refused_by_what_cannot_embed_them(name: str) -> None:
    with pytest.raises(ParamsError, match=r"train\.network: .* use mlp or ensemble, or"):
        build_network(name, {}, input_shape=TABLE, d_out=3, category_sizes=(4,))


def test_an_unknown_network_is_reported_with_the_names() -> None:
    with pytest.raises(
        ParamsError, match=r"'cnm' is not known; did you mean 'cnn'.*torchvision:NAME"
    ):
        build("cnm", IMAGES[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_check_before_any_work_finds_nothing_wrong_with_the_defaults(name: str) -> None:
    assert network_problems(name, {}) == []


def test_options_of_another_network_are_not_used() -> None:
    """Where params.yaml has an mlp's, `-S train.network=cnn` is enough."""
    options = {"hidden": [8], "norm": "batch", "dropout": 0.3}
    assert foreign_options("mlp", options) == []
    foreign = foreign_options("cnn", options)
    assert "hidden" in foreign
    assert network_problems("cnn", options) == []
    used = {key: value for key, value in options.items() if key not in foreign}
    assert repr(build("cnn", IMAGES[0], **options)) == repr(build("cnn", IMAGES[0], **used))
    assert foreign_options("cnn", {"hiden": [8]}) == []


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("mlp", {"dropout": 1.5}, "train.options.dropout: must be a number from 0 .* got 1.5"),
        ("mlp", {"dropout": [0.1]}, "dropout: needs one rate for each of the 2 hidden .* has 1"),
        ("mlp", {"hiden": [8]}, "train.options.hiden: unknown key; did you mean 'hidden'?"),
        ("mlp", {"numeric_embeddings": "plr"}, "numeric_embeddings: 'plr' is not known"),
        (
            "mlp",
            {"numeric_embeddings": {"name": "periodic", "widht": 3}},
            r"numeric_embeddings\.widht: unknown key; did you mean 'width'",
        ),
        ("seven_layer", {"hidden": [8, 8]}, "train.options.hidden: .* at least 6 items .*not 2"),
        ("conv1x1_mlp", {"channels": []}, "train.options.channels: .* at least 1 item"),
        ("cnn", {"kernel": 4}, "train.options.kernel: input should be 1, 3, 5 or 7, got 4"),
        ("rnn", {"cell": "GRU"}, "train.options.cell: must be one of: gru, lstm, plain, got 'GRU'"),
    ],
)
def test_wrong_options_are_reported_in_one_line(
    name: str, options: dict[str, Any], told: str
) -> None:
    (problem,) = network_problems(name, options)
    with pytest.raises(ParamsError, match=told) as caught:
        build(name, IMAGES[0], **options)
    assert caught.value.problems == (problem,)
