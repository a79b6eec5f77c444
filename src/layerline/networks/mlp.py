"""The multilayer perceptron."""

from math import prod

from torch import nn

from layerline.config import Named
from layerline.kernels.dropout import Dropout
from layerline.kernels.linear import Linear
from layerline.networks.activations import Activation
from layerline.networks.blocks import (
    DropoutRates,
    Norm,
    Probability,
    Skip,
    Width,
    linear_block,
    rate_of_each,
)
from layerline.networks.embeddings import NO_EMBEDDINGS, TableEmbeddings


class MLP(nn.Sequential):
    """Blocks of Linear, norm, activation and dropout, then a linear head.

    With `category_sizes` the last C columns of x are integer codes, each of which becomes a learnt
    vector.

    Options:
        hidden: the widths of the hidden layers.
        input_dropout: the share of inputs that are dropped.
        bias: whether linear layers have one.
        residual: a skip connection around each block except the first; a projection where widths
            differ.
        embedding_width: of a category's learnt vector; null: by the number of its levels.
        numeric_embeddings: a vector for each number: none, piecewise_linear or periodic, with its
            options.

    Shape: (B, F) or (B, C, H, W), float32 -> (B, d_out); (B, d_hidden) when `d_out` is None.

    Source: Goodfellow, Bengio, Courville, Deep Learning (2016), chapter 6; the embeddings'
    sources are in embeddings.py.

    >>> import torch
    >>> MLP(input_shape=(4,), d_out=3, hidden=(8,))(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        category_sizes: tuple[int, ...] = (),
        hidden: tuple[Width, ...] = (256, 128),
        activation: Activation = "relu",
        norm: Norm = "batch",
        dropout: DropoutRates = 0.1,
        input_dropout: Probability = 0.0,
        bias: bool = True,
        residual: bool = False,
        embedding_width: Width | None = None,
        numeric_embeddings: Named = NO_EMBEDDINGS,
    ) -> None:
        super().__init__()
        rates = rate_of_each(dropout, len(hidden))
        embed = TableEmbeddings(
            n_features=prod(input_shape) - len(category_sizes),
            category_sizes=category_sizes,
            category_width=embedding_width,
            numeric=numeric_embeddings,
        )
        self.embed = embed if embed.learns else None  # first, where there is one
        layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        if input_dropout:
            layers.append(Dropout(input_dropout))
        widths = [embed.d_out, *hidden]
        for place, rate in enumerate(rates):
            d_in, d_hidden = widths[place], widths[place + 1]
            block = linear_block(d_in, d_hidden, activation, norm, bias, rate)
            layers += [Skip(d_in, d_hidden, block)] if residual and place > 0 else block
        self.d_hidden = widths[-1]
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Identity() if d_out is None else Linear(widths[-1], d_out, bias=bias)
