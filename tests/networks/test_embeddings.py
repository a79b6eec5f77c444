"""Embeddings against their formulas in NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from layerline.config import Component
from layerline.kernels.bin_tables import MIN_VALUES, tables_pay
from layerline.networks.bin_edges import normal_edges, quantile_edges
from layerline.networks.embeddings import (
    NUMERIC_EMBEDDINGS,
    CategoryEmbeddings,
    PeriodicEmbeddings,
    sensible_width,
)
from layerline.networks.mlp import MLP
from layerline.networks.piecewise_linear import PiecewiseLinearEmbeddings


def numbers(n: int = 50, features: int = 3) -> Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_code_gets_its_row_of_the_table() -> None:
    embed = CategoryEmbeddings(sizes=(3, 5), width=4)
    first, second = (table.weight for table in embed.tables)
    vectors = embed(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    assert torch.equal(
        vectors, torch.stack([torch.cat([first[2], second[0]]), torch.cat([first[0], second[4]])])
    )


def test_widths_follow_the_number_of_levels_unless_given() -> None:
    sizes = (2, 10, 1000)
    assert CategoryEmbeddings(sizes=sizes, width=None).d_out == sum(map(sensible_width, sizes))
    assert CategoryEmbeddings(sizes=sizes, width=7).d_out == 21
    assert max(map(sensible_width, range(1, 10**5, 999))) == 16


@pytest.mark.parametrize("name", NUMERIC_EMBEDDINGS)
def test_the_mlp_embeds_numbers_and_the_last_columns(name: str) -> None:
    torch.manual_seed(0)
    mlp = MLP(
        input_shape=(5,), d_out=2, category_sizes=(3, 4), numeric_embeddings=Component(name=name)
    ).eval()
    x = torch.tensor([[0.5, -1.0, 2.0, 1.0, 3.0]])
    changed = [x.clone() for _ in range(5)]
    for column, code in enumerate((0.6, -1.1, 2.1, 2.0, 0.0)):
        changed[column][0, column] = code
    assert all(not torch.equal(mlp(x), mlp(other)) for other in changed)


def test_periodic_is_relu_of_a_linear_map_of_waves() -> None:
    torch.manual_seed(0)
    embed = PeriodicEmbeddings(n_features=3, width=5, frequencies=4, frequency_scale=0.5).double()
    c, w, b = (p.detach().numpy() for p in embed.parameters())
    x = numbers()
    phase = 2 * np.pi * c * x.numpy()[:, :, None]
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=2)
    expected = np.maximum(waves @ w.T + b, 0).reshape(len(x), -1)
    np.testing.assert_allclose(embed(x).detach().numpy(), expected, atol=1e-12)
    assert np.abs(c).max() <= 1.5


def test_the_gradient_of_periodic_is_that_of_its_formula() -> None:
    torch.manual_seed(0)
    embed = PeriodicEmbeddings(n_features=3, width=5, frequencies=4).double()
    x = numbers(6).requires_grad_()
    assert torch.autograd.gradcheck(embed, (x,))
    plain = 2 * torch.pi * embed.frequencies * x.unsqueeze(2)
    waves = torch.cat([plain.cos(), plain.sin()], 2)
    expected = torch.autograd.grad(embed.linear(waves).relu().sum(), list(embed.parameters()))
    found = torch.autograd.grad(embed(x).sum(), list(embed.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_several_periodic_networks_can_be_batched() -> None:
    torch.manual_seed(0)
    several = [PeriodicEmbeddings(n_features=3, width=5) for _ in range(2)]
    state = torch.func.stack_module_state(several)
    x = numbers().float()
    batched = torch.vmap(
        lambda params: torch.func.functional_call(several[0], params, (x,)).square().sum()
    )(state[0])
    torch.testing.assert_close(batched, torch.stack([e(x).square().sum() for e in several]))


def test_piecewise_linear_codes_say_how_far_x_has_come_through_each_bin() -> None:
    embed = PiecewiseLinearEmbeddings(n_features=1, width=2, bins=4)
    edges = embed.edges.numpy()
    np.testing.assert_allclose(edges, [-3, -0.6744898, 0, 0.6744898, 3], atol=1e-6)
    x = torch.tensor([[-4.0], [-3.0], [0.3372449], [0.6744898], [3.0], [5.0]])
    expected = [
        [-1 / (3 - 0.6744898), 0, 0, 0],
        [0, 0, 0, 0],
        [1, 1, 0.5, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    codes = embed.code(x)[:, 0].numpy()
    np.testing.assert_allclose(codes[:5], expected, atol=1e-6)
    np.testing.assert_allclose(codes[5], [1, 1, 1, 1 + 2 / (3 - 0.6744898)], atol=1e-6)


@pytest.mark.parametrize("n_rows", [410, 1000])
def test_tables_give_what_the_products_over_all_bins_give(n_rows: int) -> None:
    torch.manual_seed(0)
    embed = PiecewiseLinearEmbeddings(n_features=5, width=3, bins=8).double()
    nn.init.normal_(embed.bias)
    x = torch.randn(n_rows, 5, dtype=torch.float64) * 3  # beyond the outermost edges too
    x[0, 0] = embed.edges[3]
    upstream = torch.randn(n_rows, 15, dtype=torch.float64)
    found = []
    for wanted in (x, x.clone().requires_grad_()):  # rows that want a gradient take the products
        embed.zero_grad()
        embedded = embed(wanted)
        embedded.backward(upstream)
        found.append((embedded.detach(), embed.weight.grad.clone(), embed.bias.grad.clone()))
    for mine, its in zip(*found, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        assert torch.equal(embed(x), found[0][0])
    assert tables_pay(x, embed.weight)
    assert not tables_pay(x[:100], embed.weight)


def test_where_no_value_is_the_gradient_is_zero() -> None:
    embed = PiecewiseLinearEmbeddings(n_features=10, width=3, bins=32)
    x = torch.rand(MIN_VALUES, 10) * 3 - 1.5
    embed(x).backward(torch.randn(MIN_VALUES, 30))
    inside = (embed.edges[:-1] < 1.5).nonzero()[-1].item()
    assert embed.weight.grad[:, : inside + 1].any()
    assert not embed.weight.grad[:, inside + 1 :].any()


@pytest.mark.parametrize("n_rows", [1, MIN_VALUES])  # by products, by tables
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_shows(n_rows: int, value: float) -> None:
    embed = PiecewiseLinearEmbeddings(n_features=2, width=3, bins=8)
    found = embed(torch.tensor([[value, 0.5]]).expand(n_rows, 2)).detach()
    assert not found[:, :3].isfinite().any()
    assert found[:, 3:].isfinite().all()


@pytest.mark.parametrize("threads", [1, 2])
def test_tables_give_the_same_bytes_each_time(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    embed = PiecewiseLinearEmbeddings(n_features=40, width=8, bins=32)
    x, upstream = torch.randn(512, 40), torch.randn(512, 320)
    seen = set()
    for _ in range(5):
        embed.zero_grad()
        embed(x).backward(upstream)
        seen.add(embed.weight.grad.numpy().tobytes())
    torch.set_num_threads(before)
    assert len(seen) == 1


def test_piecewise_linear_has_a_map_for_each_feature() -> None:
    torch.manual_seed(0)
    embed = PiecewiseLinearEmbeddings(n_features=3, width=5, bins=8).double()
    x = numbers()
    codes = embed.code(x).numpy()
    w, b = embed.weight.detach().numpy(), embed.bias.detach().numpy()
    expected = np.stack([codes[:, f] @ w[f] + b[f] for f in range(3)], 1).reshape(len(x), -1)
    np.testing.assert_allclose(embed(x).detach().numpy(), expected, atol=1e-12)


def skewed(n_rows: int = 600) -> Tensor:
    """Columns: skewed, counts, two values, constant."""
    z = torch.randn(n_rows, 4, generator=torch.Generator().manual_seed(0))
    return torch.stack(
        [z[:, 0].exp(), (2 * z[:, 1]).round(), (z[:, 2] > 1).float(), 0 * z[:, 3]], 1
    )


def test_quantile_edges_divide_the_rows_equally_or_stand_at_each_value() -> None:
    x = skewed()
    edges = quantile_edges(x, 8)
    assert edges.shape == (4, 9)
    counts = torch.histogram(x[:, 0], edges[0])[0]
    assert counts.min() >= 600 // 8 - 1
    for few in (2, 3):  # two values, and one
        assert torch.equal(edges[few], normal_edges(8))
    rare = torch.zeros(600, 1)
    rare[:3, 0] = torch.tensor([1.0, 2.0, 3.0])  # nearly all rows have the same value
    assert torch.equal(quantile_edges(rare, 2)[0], normal_edges(2))
    many = quantile_edges(x, 64)
    values = x[:, 1].unique()
    assert torch.equal(many[1].unique(), values)


def own_bins(x: Tensor, bins: int = 8) -> PiecewiseLinearEmbeddings:
    torch.manual_seed(0)
    embed = PiecewiseLinearEmbeddings(n_features=x.shape[1], width=3, bins=bins, edges="quantile")
    nn.init.normal_(embed.bias)
    embed.fit(x)
    return embed


def test_codes_of_own_bins_are_numpys_interpolation() -> None:
    x = skewed()
    embed = own_bins(x)
    codes = embed.code(x)
    for column in (0, 1):
        edges = embed.edges[column].unique().numpy()
        expected = np.interp(x[:, column], edges, np.arange(len(edges)))
        np.testing.assert_allclose(codes[:, column].sum(1), expected, atol=1e-5)
    beyond = embed.code(torch.full((1, 4), 1e3))[0]
    assert (beyond.sum(1) > 9).all()  # the last bin extends as a straight line
    assert (embed.code(torch.full((1, 4), -1e3))[0, :, 0] < -1).all()


def test_tables_of_own_bins_give_what_the_products_give() -> None:
    x = torch.cat([skewed(), 5 * skewed()])
    embed = own_bins(skewed())
    upstream = torch.randn(len(x), 12)
    found = []
    for wanted in (x, x.clone().requires_grad_()):
        embed.zero_grad()
        embedded = embed(wanted)
        embedded.backward(upstream)
        found.append((embedded.detach(), embed.weight.grad.clone(), embed.bias.grad.clone()))
    for mine, its in zip(*found, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-3)
    is_unused = embed.edges.diff() == 0
    assert not embed.weight.grad[is_unused].any()
    assert is_unused.any()
    assert embed.weight.grad[0].any(1).all()


def test_first_embeddings_are_lines_where_a_slope_is_asked_for() -> None:
    x = torch.linspace(-3, 3, 61)[:, None].repeat(1, 4)
    embeds = []
    for slope in (0.0, 0.5):
        torch.manual_seed(0)
        embeds.append(PiecewiseLinearEmbeddings(n_features=4, width=3, bins=8, first_slope=slope))
    drawn = embeds[0].weight[:, :1] * math.sqrt(8)
    assert drawn.abs().max() <= 1
    lines = (embeds[1](x) - embeds[0](x)).detach()
    torch.testing.assert_close(lines, (0.5 * drawn[:, 0] * x[..., None]).detach().flatten(1))
    torch.testing.assert_close(lines[30], torch.zeros(12))  # of 0


def test_first_lines_follow_a_features_own_edges_and_end_with_the_normal_ones() -> None:
    x, lines = skewed(), []
    x[0, 0] = 1e6
    for slope in (0.0, 0.5):
        torch.manual_seed(0)
        embed = PiecewiseLinearEmbeddings(
            n_features=x.shape[1], width=3, bins=8, edges="quantile", first_slope=slope
        )
        embed.fit(x)
        lines.append(embed(x).detach().view(len(x), -1, 3))
    drawn = (embed.weight[:, 0] / embed.edges.clamp(-3, 3).diff()[:, :1]).sign()
    found = lines[1] - lines[0]
    assert found.abs().max() <= 0.5 * 3 + 1e-5  # however far an outlier lies
    inside = x.abs().amax(1) < 1
    assert inside.sum() > 3
    order = x[inside, 0].argsort()
    rises = found[inside][order][:, 0].diff(dim=0) * drawn[0]
    assert (rises >= -1e-6).all()
    assert rises.sum(0).max() > 0.1


def test_own_bins_are_saved_with_the_weights_and_the_tables_follow() -> None:
    x = skewed()
    first, second = (
        own_bins(x),
        PiecewiseLinearEmbeddings(n_features=4, width=3, bins=8, edges="quantile"),
    )
    assert not torch.equal(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))
    assert "edges" not in PiecewiseLinearEmbeddings(n_features=4).state_dict()
