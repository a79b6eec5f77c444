"""The bins that the grid finds are those that comparing with every edge finds."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from layerline.kernels.bin_search import BinSearch
from layerline.networks.bin_edges import quantile_edges

DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda z: z,
    "skewed": lambda z: (2 * z).exp(),
    "very skewed": lambda z: (8 * z).exp(),
    "tiny": lambda z: 1e-30 * z,
    "large and close": lambda z: 1e6 + 0.1 * z,
    "counts": lambda z: (3 * z).round(),
    "two values": lambda z: (z > 1).float(),
    "constant": torch.zeros_like,
}


def by_comparison(edges: Tensor, x: Tensor) -> Tensor:
    """The number of inner edges that a value has reached."""
    n_features, n_bins = edges.shape[0], edges.shape[1] - 1
    is_inner = edges[:, 1:] < edges[:, -1:]
    bins = ((x.unsqueeze(2) >= edges[:, 1:]) & is_inner).sum(2)
    return (bins + torch.arange(0, n_features * n_bins, n_bins)).flatten()


@pytest.mark.parametrize("n_bins", [2, 16, 512])
@pytest.mark.parametrize("name", DRAWS)
def test_bins_are_those_of_comparisons_with_every_edge(name: str, n_bins: int) -> None:
    generator = torch.Generator().manual_seed(0)
    train = DRAWS[name](torch.randn(3000, 4, generator=generator))
    edges = quantile_edges(train, n_bins)
    other = DRAWS[name](2 * torch.randn(500, 4, generator=generator))
    at_edges = edges.t()
    around = [torch.nextafter(at_edges, torch.full((), way * torch.inf)) for way in (-1, 1)]
    infinite = torch.tensor([[torch.inf] * 4, [-torch.inf] * 4])
    x = torch.cat([train, other, at_edges, *around, infinite])
    assert torch.equal(BinSearch(edges)(x), by_comparison(edges, x))


def test_nan_stays_in_its_feature() -> None:
    edges = quantile_edges(torch.randn(100, 3), 8)
    rows = BinSearch(edges)(torch.full((2, 3), torch.nan))
    assert torch.equal(rows // 8, torch.tensor([0, 1, 2] * 2))
