"""Embeddings of a table's row as numpy gathers: each bin of a number has the line of its values.

Shape letters: B rows, F numbers, C codes, W width of a number's embedding.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from layerline.kernels.bin_tables import bin_widths
from layerline.networks.embeddings import (
    CategoryEmbeddings,
    NoEmbeddings,
    TableEmbeddings,
)
from layerline.networks.piecewise_linear import PiecewiseLinearEmbeddings

Floats = NDArray[np.float32]
Step = Callable[[Floats], Floats]

MOST_COMPARISONS = 2**20  # beyond so many a binary search for each number is faster


def fold_embeddings(embed: TableEmbeddings) -> Step | None:
    """(B, F + C) -> (B, d_out) float32; None where the numbers' embedding is unknown."""
    numbers, categories = _numbers(embed.numbers), embed.categories
    if numbers is None:
        return None
    if categories is None:
        return numbers
    codes, n_codes = _categories(categories), len(categories.tables)
    return lambda x: np.concatenate([numbers(x[:, :-n_codes]), codes(x[:, -n_codes:])], 1)


def _numbers(embed: nn.Module) -> Step | None:
    if isinstance(embed, NoEmbeddings):
        return lambda x: x
    return _piecewise_linear(embed) if isinstance(embed, PiecewiseLinearEmbeddings) else None


def _piecewise_linear(embed: PiecewiseLinearEmbeddings) -> Step:
    weight, bias = embed.weight.detach().double(), embed.bias.detach().double()
    edges = embed.edges.detach().double()
    slopes = weight / bin_widths(edges)[..., None]
    starts = weight.cumsum(1) - weight + bias - slopes * edges[..., :-1, None]
    n_features, n_bins, width = weight.shape
    lines = _flat(starts), _flat(slopes)
    # Where each bin ends; a feature with fewer bins repeats its last edge, which none reaches.
    is_last = edges[..., 1:] >= edges[..., -1:]
    ends = edges[..., 1:].masked_fill(is_last, np.inf).float().expand(n_features, n_bins).numpy()
    first = np.arange(0, n_features * n_bins, n_bins)

    def apply(x: Floats) -> Floats:
        rows = find_bins(x, ends) + first
        embedded = lines[1][rows]
        embedded *= x[..., None]
        embedded += lines[0][rows]
        return embedded.reshape(len(x), n_features * width)

    return apply


def find_bins(x: Floats, ends: Floats) -> NDArray[np.int64]:
    """The bin of each value (B, F) among the rising ends (F, bins) of its feature's bins."""
    if x.size * ends.shape[1] <= MOST_COMPARISONS:
        found: NDArray[np.int64] = (x[..., None] >= ends).sum(2)
        return found
    columns = zip(ends, x.T, strict=True)
    return np.stack([np.searchsorted(own, values, side="right") for own, values in columns], 1)


def _flat(table: Tensor) -> Floats:
    return np.ascontiguousarray(table.flatten(0, 1).float().numpy())


def _categories(embed: CategoryEmbeddings) -> Step:
    tables = [table.detach().numpy() for table in embed.tables.parameters()]

    def apply(codes: Floats) -> Floats:
        places = codes.astype(np.int64)
        vectors = [table[column] for table, column in zip(tables, places.T, strict=True)]
        return np.concatenate(vectors, 1)

    return apply
