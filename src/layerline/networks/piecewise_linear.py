"""Numeric features as vectors that are piecewise linear in them."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.kernels.bin_search import BinSearch
from layerline.kernels.bin_tables import bin_widths, embed_by_tables, tables_pay
from layerline.networks.bin_edges import OUTERMOST, normal_edges, quantile_edges
from layerline.networks.blocks import Width


class PiecewiseLinearEmbeddings(nn.Module):
    """A linear map of each feature's piecewise-linear code: how far x reaches through each bin.

    `edges: normal` takes quantiles of the standard normal distribution, the same for all features,
    so numbers should be scaled (scale.numeric: standard, robust or robust_clip). `edges: quantile`
    takes each feature's own quantiles in the train rows, which `fit` reads, and leaves features of
    two values as they are; the edges are saved with the weights.

    The first weights are random. With `first_slope` above 0 a straight line is added to each
    embedding, of a random slope up to that: the network begins nearer to one without embeddings,
    which suits few rows, and bends the lines where the rows ask for it.

    Shape: (B, F) -> (B, F * width).

    Source: Gorishniy et al. (2022), section 3.2, where the edges are each feature's own quantiles.
    """

    edges: Tensor

    def __init__(
        self,
        *,
        n_features: int,
        width: Width = 16,
        bins: Annotated[int, Field(ge=2, le=512)] = 16,
        edges: Literal["normal", "quantile"] = "normal",
        first_slope: Annotated[float, Field(ge=0, le=10)] = 0.0,
    ) -> None:
        super().__init__()
        shared = normal_edges(bins)
        self.has_own_edges = edges == "quantile"
        start = shared.repeat(n_features, 1) if self.has_own_edges else shared
        self.register_buffer("edges", start, persistent=self.has_own_edges)
        self._search: tuple[tuple[int, int], BinSearch] | None = None
        self.weight = nn.Parameter(torch.empty(n_features, bins, width))
        self.bias = nn.Parameter(torch.zeros(n_features, 1, width))
        nn.init.uniform_(self.weight, -(bins**-0.5), bins**-0.5)
        self._first_slope = first_slope
        if not self.has_own_edges:
            self._add_lines()
        self.d_out = n_features * width

    def forward(self, x: Tensor) -> Tensor:
        if tables_pay(x, self.weight):
            return embed_by_tables(x, self.weight, self.bias, self.edges, self._find_search())
        # (F, B, bins) @ (F, bins, width): one matrix product for each feature.
        code = self.code(x).transpose(0, 1)
        return torch.baddbmm(self.bias, code, self.weight).transpose(0, 1).flatten(1)

    def code(self, x: Tensor) -> Tensor:
        """(B, F) -> (B, F, bins), from 0 to 1; the outermost bins extend as straight lines."""
        edges = self.edges
        reached = (x.unsqueeze(2) - edges[..., :-1]) / bin_widths(edges)
        if self.has_own_edges:
            low = torch.full((edges.shape[1] - 1,), 0.0, device=edges.device)
            low[0] = -math.inf
            is_last = edges[:, 1:] >= edges[:, -1:]
            return reached.maximum(low).minimum(torch.where(is_last, math.inf, 1.0))
        low, high = torch.zeros_like(edges[1:]), torch.ones_like(edges[1:])
        low[0], high[-1] = -math.inf, math.inf
        return reached.clamp(low, high)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take the edges from the train rows x (B, F), where they are the features' own."""
        if self.has_own_edges:
            self.edges.copy_(quantile_edges(x, self.edges.shape[1] - 1))
            self._add_lines()

    @torch.no_grad()
    def _add_lines(self) -> None:
        """Add straight lines to the random first embeddings; they are level beyond OUTERMOST."""
        if not self._first_slope:
            return
        edges = self.edges.clamp(-OUTERMOST, OUTERMOST)
        # The first bin's weights are uniform up to bins ** -0.5: a draw for each line.
        slopes = self._first_slope * self.weight.shape[1] ** 0.5 * self.weight[:, :1]
        self.weight.add_(slopes * edges.diff()[..., None])
        self.bias.add_(slopes * edges[..., :1, None])

    def _find_search(self) -> BinSearch | None:
        if not self.has_own_edges:
            return None
        known = self.edges.data_ptr(), self.edges._version
        if self._search is None or self._search[0] != known:
            self._search = known, BinSearch(self.edges)
        return self._search[1]
