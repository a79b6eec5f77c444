"""Networks: one file an architecture, and the table that names them.

A network is a class with keyword-only arguments: `input_shape` and `d_out` are given by the data
(and `category_sizes`, where it has embeddings), the others are the `train.options` of params.yaml.
`d_out=None` builds the backbone without a head; `d_hidden` is the width of what it returns. To add
one: write the file, add one line to NETWORKS; the contract tests run over every entry.
`torchvision:NAME` is any classification network of torchvision.

blocks, activations, embeddings   what the networks are made of
images         what those that read images have in common
pixel_tables   a faster way to the same first layer, for conv1x1_mlp
files          a network on disk
stacking       several networks as one batched network, for restarts
tracing        the forward pass written down
summaries      parameters, layer by layer

Shape letters: B rows, F features, C categorical columns, K classes, O outputs; images are
(B, C, H, W).
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from layerline.errors import ParamsError, Problem
from layerline.lookup import pick, read_options
from layerline.networks.cnn import CNN
from layerline.networks.conv1x1_mlp import Conv1x1MLP
from layerline.networks.ensemble import Ensemble
from layerline.networks.mlp import MLP
from layerline.networks.rnn import RNN
from layerline.networks.seven_layer import SevenLayer
from layerline.networks.torchvision import PREFIX, torchvision_builder

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLP,
    "seven_layer": SevenLayer,
    "conv1x1_mlp": Conv1x1MLP,
    "cnn": CNN,
    "rnn": RNN,
    "ensemble": Ensemble,
}

SIZES = ("input_shape", "d_out", "category_sizes")  # what the data say, so no options


def find_network(name: str) -> Callable[..., nn.Module]:
    """The builder of that name.

    Raises:
        ParamsError: the name is not known; the message lists or resembles those that are.
    """
    if name.startswith(PREFIX):
        return torchvision_builder(name.removeprefix(PREFIX))
    return pick({**NETWORKS, f"{PREFIX}NAME": nn.Module}, name, "train.network")


def build_network(
    name: str,
    options: Mapping[str, Any],
    *,
    input_shape: tuple[int, ...],
    d_out: int | None,
    category_sizes: tuple[int, ...] = (),
) -> nn.Module:
    """Build a network by its name.

    With `category_sizes` the last C columns of x are codes of so many levels each, as float32.

    Raises:
        ParamsError: the name or an option is not known, an option has a wrong type or value, or
            the network cannot read such rows.
    """
    builder = find_network(name)
    keywords = read_options(builder, options, "train.options", SIZES)
    if category_sizes:
        if "category_sizes" not in inspect.signature(builder).parameters:
            message = f"{name!r} has no embeddings; use mlp, or set scale.categorical: one_hot"
            raise ParamsError([Problem("train.network", message)])
        keywords["category_sizes"] = category_sizes
    return builder(input_shape=input_shape, d_out=d_out, **keywords)


def network_problems(name: str, options: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a name and its options, as far as it shows without data.

    Some options fit or do not fit each other, which building the network tells; torchvision's have
    none such, and can be large.
    """
    try:
        if name.startswith(PREFIX):
            read_options(find_network(name), options, "train.options", SIZES)
        else:
            build_network(name, options, input_shape=(3, 32, 32), d_out=2)
    except ParamsError as error:
        return list(error.problems)
    return []
