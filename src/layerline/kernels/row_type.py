"""The type that rows of a training are kept in: bfloat16 where a product reads them first."""

import torch
from torch import nn

from layerline.kernels.chain import leaf_layers
from layerline.kernels.linear import Linear
from layerline.kernels.switch import is_on


def row_type(network: nn.Module, precision: torch.dtype) -> torch.dtype:
    """`precision` where the network first multiplies its rows by a matrix, else float32.

    Casting all rows once gives the same numbers as casting each batch, and batches are smaller.
    """
    if precision == torch.float32 or not is_on("row_type"):
        return torch.float32
    if not isinstance(network, nn.Sequential):
        return torch.float32
    layers = (layer for layer in leaf_layers(network) if not isinstance(layer, nn.Flatten))
    return precision if type(next(layers, None)) is Linear else torch.float32
