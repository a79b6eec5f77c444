"""The bin of each value among edges of its feature, by a grid instead of a binary search.

A feature's inner edges are covered by a grid of equal cells. A table holds, for each cell, the bin
in which its values lie at least; the few edges inside a cell are then compared. That takes as long
as the normal distribution's error function, a sixth of torch.searchsorted: 7,680 values in 40 µs.

Rows of edges are (bins + 1,) per feature, rising; a feature with fewer bins repeats its last edge.

Shape letters: B rows, F features.
"""

import torch
from torch import Tensor

CELLS = 1024  # of a feature's grid
MOST_COMPARISONS = 6  # edges in one cell; beyond, a binary search is as fast


class BinSearch:
    """Finds bins among the edges (F, bins + 1): (B, F) -> (B * F,) rows, feature * bins + bin."""

    def __init__(self, edges: Tensor) -> None:
        n_features, n_bins = edges.shape[0], edges.shape[1] - 1
        is_inner = edges[:, 1:] < edges[:, -1:]
        # Where each bin ends. The last real one never does: nothing is as large as NaN.
        self._ends = torch.where(is_inner, edges[:, 1:], torch.nan).contiguous()
        self._last = is_inner.sum(1, dtype=torch.int32)
        self._first = torch.arange(0, n_features * n_bins, n_bins, dtype=torch.int32)
        self._low = torch.where(is_inner[:, 0], edges[:, 1], 0.0)
        high = torch.where(is_inner, edges[:, 1:], -torch.inf).amax(1)
        # One edge has a cell of its own, whatever the scale.
        self._scale = torch.where(high > self._low, CELLS / (high - self._low), 0.0)
        cells = self._cells_of(torch.where(is_inner, edges[:, 1:], self._low[:, None]).t()).t()
        cells = torch.where(is_inner, cells, CELLS).contiguous()
        numbers = torch.arange(CELLS, dtype=torch.int32).expand(n_features, -1).contiguous()
        # The number of edges in lower cells. Cells rise with values, so all of those are lower.
        below = torch.searchsorted(cells, numbers, out_int32=True)
        self._lowest = (below + self._first[:, None]).flatten()
        self._offset = torch.arange(0, n_features * CELLS, CELLS, dtype=torch.int32)
        same = torch.searchsorted(cells, numbers, right=True) - torch.searchsorted(cells, numbers)
        self._n_comparisons = int(same.max())

    def __call__(self, x: Tensor) -> Tensor:
        """The row of each value; of NaN any row of its feature."""
        if self._n_comparisons > MOST_COMPARISONS:
            ends = self._ends.nan_to_num(torch.inf)
            found = torch.searchsorted(ends, x.t().contiguous(), right=True, out_int32=True)
            return found.t().minimum(self._last).add_(self._first).flatten().long()
        row = self._lowest.index_select(0, self._cells_of(x).add_(self._offset).flatten())
        values, ends = x.reshape(-1), self._ends.view(-1)
        for _ in range(self._n_comparisons):
            row.add_(values >= ends.index_select(0, row))
        return row.long()  # index_add_ is slow with other integers

    def _cells_of(self, x: Tensor) -> Tensor:
        cells = torch.sub(x, self._low).mul_(self._scale).clamp_(0, CELLS - 1)
        return cells.to(torch.int32).clamp_(min=0)  # NaN became the lowest integer
