"""Bin edges of piecewise-linear embeddings: the normal distribution's, or each column's own."""

from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

OUTERMOST = 3.0  # standard deviations; where the first bin starts and the last one ends
FEW_VALUES = 2  # such columns keep the normal edges: their own would leave them one bin
FITTED_ROWS = 200_000  # more do not move quantiles


def normal_edges(n_bins: int) -> Tensor:
    """(n_bins + 1,) quantiles of the standard normal distribution, between the outermost two."""
    return torch.tensor([-OUTERMOST, *NormalDist().quantiles(n_bins), OUTERMOST])


def quantile_edges(x: Tensor, n_bins: int) -> Tensor:
    """(F, n_bins + 1) edges of equally full bins for the columns of x (B, F), rising.

    A column with up to n_bins + 1 distinct values has an edge at each, one with up to FEW_VALUES
    the normal edges. Where there are fewer bins, the last edge is repeated. At most FITTED_ROWS
    evenly spaced rows are read.

    Source: Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning (2022),
    section 3.2.1; rtdl_num_embeddings.compute_bins.
    """
    step = -(-len(x) // FITTED_ROWS)
    edges = normal_edges(n_bins).repeat(x.shape[1], 1)
    for place, column in enumerate(x[::step].cpu().numpy().T):
        found = np.unique(column)
        if len(found) <= FEW_VALUES:
            continue
        if len(found) > n_bins + 1:
            found = np.unique(np.quantile(column, np.linspace(0, 1, n_bins + 1)).astype(np.float32))
        if len(found) <= FEW_VALUES:  # nearly all rows have the same value
            continue
        padded = np.append(found, [found[-1]] * (n_bins + 1 - len(found)))
        edges[place] = torch.from_numpy(padded)
    return edges
