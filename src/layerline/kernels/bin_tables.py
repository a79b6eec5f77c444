"""Piecewise-linear embeddings by tables: each bin of a feature has the line its values lie on.

The embedding of a value x is the line of its bin, starts + slopes * x: two gathered rows instead of
a product over all bins. On one thread the forward and backward pass of 256 rows take 0.31 instead
of 0.57 ms for 30 features, 0.78 instead of 2.1 ms for 100.

Shape letters: B rows, F features, W width of an embedding.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from layerline.kernels.bin_search import BinSearch
from layerline.kernels.switch import is_on

MIN_VALUES = 2048  # below it the tables take as long as the products


def embed_by_tables(
    x: Tensor, weight: Tensor, bias: Tensor, edges: Tensor, search: BinSearch | None = None
) -> Tensor:
    """The embeddings (B, F * W) of the rows x (B, F).

    Args:
        x: the features.
        weight: (F, bins, W), what is added from the start of a bin to its end.
        bias: (F, 1, W), the embedding where the first bin starts.
        edges: (bins + 1,), quantiles of the normal distribution between the outermost two; or
            (F, bins + 1), each feature's own, which `search` knows.
        search: finds the bins among a feature's own edges.
    """
    row = _normal_rows(x, *weight.shape[:2]) if search is None else search(x)
    if torch.is_grad_enabled() and (weight.requires_grad or bias.requires_grad):
        embedded: Tensor = _BinTables.apply(x, weight, bias, edges, row)
        return embedded
    return _embed(x, weight, bias, edges, row)


def tables_pay(x: Tensor, weight: Tensor) -> bool:
    """Whether these are many values on a CPU that need no gradient, outside of exports."""
    return (
        # First of all: an export must have standard operations, and a number of rows that is read
        # during it becomes the only one it accepts.
        not torch.compiler.is_compiling()
        and is_on("bin_tables")
        and x.numel() >= MIN_VALUES
        and x.device.type == "cpu"
        and x.dtype == weight.dtype
        and not x.requires_grad
        and not torch._C._functorch.is_batchedtensor(weight)
    )


def bin_widths(edges: Tensor) -> Tensor:
    """(..., bins); infinite where an edge is repeated, so that such a bin stays empty."""
    widths = edges.diff()
    return widths if edges.ndim == 1 else torch.where(widths > 0, widths, torch.inf)


def _normal_rows(x: Tensor, n_features: int, n_bins: int) -> Tensor:
    """Each value's row (B * F,) in the tables."""
    # Bins hold equal shares of a normal distribution. A value that rounding puts on the wrong side
    # of an edge has the same embedding: the lines of neighbours meet there.
    place = (x * math.sqrt(0.5)).erf_().add_(1).mul_(n_bins / 2).long().clamp_(0, n_bins - 1)
    return place.add_(torch.arange(0, n_features * n_bins, n_bins)).flatten()


def _embed(x: Tensor, weight: Tensor, bias: Tensor, edges: Tensor, row: Tensor) -> Tensor:
    width = weight.shape[2]
    slopes = weight / bin_widths(edges)[..., None]
    starts = weight.cumsum(1) - weight + bias - slopes * edges[..., :-1, None]
    lines = torch.cat([starts, slopes], 2).flatten(0, 1).index_select(0, row)
    embedded = torch.addcmul(lines[:, :width], lines[:, width:], x.reshape(-1, 1))
    return embedded.view(len(x), -1)


class _BinTables(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, edges: Tensor, row: Tensor
    ) -> Tensor:
        embedded = _embed(x, weight, bias, edges, row)
        ctx.save_for_backward(x, row, edges)
        ctx.shape = weight.shape
        return embedded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_embedded: Tensor) -> tuple[None, Tensor, Tensor, None, None]:
        x, row, edges = ctx.saved_tensors
        n_features, n_bins, width = ctx.shape
        d_rows = d_embedded.reshape(-1, width)
        d_tables = d_rows.new_zeros(n_features * n_bins, 2 * width)
        d_tables.index_add_(0, row, torch.cat([d_rows, d_rows * x.reshape(-1, 1)], 1))
        d_starts, d_slopes = d_tables.view(n_features, n_bins, -1).split(width, 2)
        # A bin adds its slope to its own line and its whole weight to the lines of those after it.
        d_own = (d_slopes - d_starts * edges[..., :-1, None]) / bin_widths(edges)[..., None]
        # Summed from the last bin down: a bin without values has a gradient of exactly 0, not a
        # rounding error that Adam would take for a direction.
        from_here = d_starts.flip(1).cumsum(1).flip(1)
        d_own[:, :-1] += from_here[:, 1:]
        return None, d_own, from_here[:, :1].contiguous(), None, None
