"""Networks: one file an architecture, and the table that names them.

A network is a class with keyword-only arguments: `input_shape` and `d_out` are given by the data,
the others are the `train.options` of params.yaml. `d_out=None` builds the backbone without a head.
To add one: write the file, add one line to NETWORKS; the contract tests run over every entry.

Shape letters: B rows, F features, K classes, O outputs; images are (B, C, H, W).
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from layerline.lookup import pick, read_options
from layerline.networks.mlp import MLP

NETWORKS: dict[str, type[nn.Module]] = {
    "mlp": MLP,
}

SIZES = ("input_shape", "d_out")  # what the data say, so no options


def build_network(
    name: str, options: Mapping[str, Any], *, input_shape: tuple[int, ...], d_out: int | None
) -> nn.Module:
    """Build a network by its name in the table.

    Raises:
        ParamsError: the name or an option is not known, or an option has a wrong type or value.
    """
    builder = pick(NETWORKS, name, "train.network")
    keywords = read_options(builder, options, "train.options", SIZES)
    return builder(input_shape=input_shape, d_out=d_out, **keywords)
