"""Vectors instead of single values: for categorical columns, and for numeric features.

To add one for numbers: a module (B, F) -> (B, d_out) whose keyword-only arguments, besides
`n_features`, are its options, and a line in NUMERIC_EMBEDDINGS.
"""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.config import Component
from layerline.kernels.waves import waves
from layerline.lookup import pick, read_options
from layerline.networks.blocks import Width
from layerline.networks.piecewise_linear import PiecewiseLinearEmbeddings


class CategoryEmbeddings(nn.Module):
    """One learnt vector for each level of each column.

    Shape: (B, C) integer codes, as float32 -> (B, d_out); d_out is the sum of the widths.

    >>> CategoryEmbeddings(sizes=(3, 5), width=4)(torch.tensor([[2.0, 4.0]])).shape
    torch.Size([1, 8])
    """

    def __init__(self, *, sizes: tuple[int, ...], width: int | None) -> None:
        super().__init__()
        widths = [width or sensible_width(size) for size in sizes]
        self.tables = nn.ModuleList(map(nn.Embedding, sizes, widths))
        for table in self.tables.parameters():
            bound = table.shape[1] ** -0.5
            nn.init.uniform_(table, -bound, bound)
        self.d_out = sum(widths)

    def forward(self, codes: Tensor) -> Tensor:
        columns = codes.long().unbind(1)
        vectors = [table(column) for table, column in zip(self.tables, columns, strict=True)]
        return torch.cat(vectors, 1)


def sensible_width(n_levels: int) -> int:
    """A width for a column of that many levels, at most 16.

    Source: fastai's rule of thumb, round(1.6 * n ** 0.56), with a lower cap.

    >>> [sensible_width(n) for n in (2, 10, 1000)]
    [2, 6, 16]
    """
    return min(16, round(1.6 * n_levels**0.56))


class NoEmbeddings(nn.Module):
    """Numbers pass unchanged."""

    def __init__(self, *, n_features: int) -> None:
        super().__init__()
        self.d_out = n_features

    def forward(self, x: Tensor) -> Tensor:
        return x


class PeriodicEmbeddings(nn.Module):
    """ReLU(Linear([cos(2πcx), sin(2πcx)])): frequencies c for each feature, the Linear shared.

    Shape: (B, F) -> (B, F * width).

    Source: Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning (2022),
    section 3.3, in the "lite" form of rtdl_num_embeddings.
    """

    def __init__(
        self,
        *,
        n_features: int,
        width: Width = 16,
        frequencies: Width = 32,
        frequency_scale: Annotated[float, Field(gt=0)] = 0.1,
    ) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.empty(n_features, frequencies))
        # Three deviations at most: a single high frequency turns a feature into noise permanently.
        bound = 3 * frequency_scale
        nn.init.trunc_normal_(self.frequencies, 0.0, frequency_scale, -bound, bound)
        self.linear = nn.Linear(2 * frequencies, width)
        self.d_out = n_features * width

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.cat(waves(x, self.frequencies), 2)).relu().flatten(1)


NO_EMBEDDINGS = Component(name="none")
NUMERIC_EMBEDDINGS: dict[str, Callable[..., Any]] = {
    "none": NoEmbeddings,
    "periodic": PeriodicEmbeddings,
    "piecewise_linear": PiecewiseLinearEmbeddings,
}


class TableEmbeddings(nn.Module):
    """The vectors of a table's row before the first layer: numbers first, then categories.

    Shape: (B, F + C) -> (B, d_out).

    Raises:
        ParamsError: the numeric embedding or one of its options is unknown.
    """

    d_out: int

    def __init__(
        self,
        *,
        n_features: int,
        category_sizes: tuple[int, ...],
        category_width: int | None,
        numeric: Component,
    ) -> None:
        super().__init__()
        where = "train.options.numeric_embeddings"
        builder = pick(NUMERIC_EMBEDDINGS, numeric.name, where)
        options = read_options(builder, numeric.options, where, ("n_features",))
        self.numbers = builder(n_features=n_features, **options)
        self.categories: CategoryEmbeddings | None = None
        self.d_out = self.numbers.d_out
        if category_sizes:
            self.categories = CategoryEmbeddings(sizes=category_sizes, width=category_width)
            self.d_out += self.categories.d_out

    @property
    def learns(self) -> bool:
        """False where rows pass unchanged."""
        return any(True for _ in self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        if self.categories is None:
            return self.numbers(x)
        n_numbers = x.shape[1] - len(self.categories.tables)
        numbers, codes = x[:, :n_numbers], x[:, n_numbers:]
        return torch.cat([self.numbers(numbers), self.categories(codes)], 1)

    def fit(self, x: Tensor) -> None:
        """Let the numbers' embedding read the train rows x, before the training."""
        if isinstance(self.numbers, PiecewiseLinearEmbeddings):
            n_codes = 0 if self.categories is None else len(self.categories.tables)
            self.numbers.fit(x.flatten(1)[:, : x[0].numel() - n_codes])


def fit_embeddings(network: nn.Module, x: Tensor) -> None:
    """Let the embeddings in a network read the train rows x (B, ...), before the training."""
    for module in network.modules():
        if isinstance(module, TableEmbeddings):
            module.fit(x)
