"""Low-rank adapters: beside a frozen matrix a product of two small ones, which learns."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from layerline.config import AdaptersSection
from layerline.errors import ParamsError, Problem
from layerline.kernels.linear import Linear
from layerline.training.transfer.depth import head_of, is_in
from layerline.training.transfer.selection import matched


class LowRank(nn.Module):
    """W -> W + alpha / rank * B A; B starts at zero, so that nothing changes at first.

    Shape: W (d_out, d_in) or (d_out, d_in, 1, 1); A (rank, d_in), B (d_out, rank).

    Source: Hu et al., LoRA (2021), section 4.1.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        d_out, d_in = weight.shape[:2]
        self.scale = alpha / rank
        self.A = nn.Parameter(torch.empty(rank, d_in))
        self.B = nn.Parameter(torch.zeros(d_out, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.scale * self.B @ self.A).view_as(weight)


def add_adapters(network: nn.Module, section: AdaptersSection) -> None:
    """Put an adapter beside each matching matrix of the backbone, in place.

    Raises:
        ParamsError: a pattern matches no linear layer and no 1 × 1 convolution.
    """
    head = head_of(network)
    fitting = {
        path: module
        for path, module in network.named_modules()
        if _takes_adapter(module) and not is_in(path, head)
    }
    where = "train.transfer.adapters.on"
    if not fitting:
        message = "the backbone has no linear layer and no 1 × 1 convolution; leave adapters out"
        raise ParamsError([Problem(where, message)])
    for path in sorted(matched(section.on, list(fitting), where)):
        module: Any = fitting[path]
        adapter = LowRank(module.weight, section.rank, section.alpha)
        parametrize.register_parametrization(module, "weight", adapter)


def _takes_adapter(module: nn.Module) -> bool:
    # An LSTM's or an attention's own projections are subclasses, read by other code than theirs.
    if type(module) is nn.Conv2d:
        return module.kernel_size == (1, 1) and module.groups == 1
    return type(module) in (nn.Linear, Linear)


def merge_adapters(network: nn.Module) -> None:
    """Write each product into its matrix, in place: the network is a plain one again."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
