"""Networks: one file an architecture, and the table that names them.

A network is a class with keyword-only arguments: `input_shape` and `d_out` come from the data (and
`category_sizes`, where it has embeddings), the others are the `train.options` of params.yaml.
`d_out=None` builds the backbone without a head; `d_hidden` is the width of its output.
`torchvision:NAME` is any classification network of torchvision, `mine.networks:Wide` a class of the
user's own project. A network that applies its parts
one after the other is an nn.Sequential: seeds can be stacked, and kernels find their layers.

mlp               the multilayer perceptron
seven_layer       the textbook's seven matrices
conv1x1_mlp       1 × 1 convolutions, then MLP
cnn               a small convolutional network
rnn               recurrent, an image's rows
ensemble          members whose answers are averaged
torchvision       any classification network of torchvision
own_network       a class in the user's project
activations       by name, with their initialisation
blocks            hidden layers and option types
embeddings        vectors for numbers and categories
piecewise_linear  numbers as piecewise-linear vectors
bin_edges         where bins of embeddings end
stack             several networks as one
signed_weights    outputs that only rise or fall
serialization     a network on disk
trace             each layer's inputs and outputs
parameter_counts  weights, tensor by tensor

To add one: write the file, add a line to NETWORKS; the contract tests run over every entry.

Shape letters: B rows, F features, C categorical columns, K classes, O outputs; images are
(B, C, H, W).
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from layerline.errors import ParamsError, Problem
from layerline.lookup import option_names, pick, read_options
from layerline.networks.cnn import CNN
from layerline.networks.conv1x1_mlp import Conv1x1MLP
from layerline.networks.ensemble import Ensemble
from layerline.networks.mlp import MLP
from layerline.networks.own_network import building, find_class, is_own, require_outputs
from layerline.networks.rnn import RNN
from layerline.networks.seven_layer import SevenLayer
from layerline.networks.torchvision import PREFIX, torchvision_builder

SIZES = ("input_shape", "d_out", "category_sizes")  # they come from the data, so no options


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network's builder, and what others must know of it.

    `is_recordable`: its steps, recorded as CUDA graphs, were compared with plain ones on a GPU.
    `can_be_monotone`: signed_weights.py knows its layers.
    """

    build: Callable[..., nn.Module]
    reads_tables: bool = False
    is_recordable: bool = False
    reads_images: bool = True
    can_be_monotone: bool = False

    @property
    def embeds_categories(self) -> bool:
        """Whether it takes `category_sizes`."""
        return "category_sizes" in inspect.signature(self.build).parameters


NETWORKS: dict[str, Architecture] = {
    "mlp": Architecture(MLP, reads_tables=True, is_recordable=True, can_be_monotone=True),
    "seven_layer": Architecture(SevenLayer, reads_tables=True, is_recordable=True),
    "conv1x1_mlp": Architecture(Conv1x1MLP, is_recordable=True),
    "cnn": Architecture(CNN, is_recordable=True),
    "rnn": Architecture(RNN, is_recordable=True),
    "ensemble": Architecture(Ensemble, reads_tables=True),
}


def find_network(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        ParamsError: the name is unknown; the message lists the known ones, or similar ones.
    """
    if name.startswith(PREFIX):
        return Architecture(torchvision_builder(name.removeprefix(PREFIX)))
    if is_own(name):
        own = find_class(name)
        reads = {key: bool(getattr(own, key, True)) for key in ("reads_tables", "reads_images")}
        return Architecture(own, **reads)
    known = {**NETWORKS, f"{PREFIX}NAME": Architecture(nn.Module)}
    return pick({**known, "PACKAGE.MODULE:CLASS": Architecture(nn.Module)}, name, "train.network")


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
        ParamsError: the name or an option is unknown, an option has a wrong type or value, or the
            network cannot read such rows.
    """
    architecture = find_network(name)
    keywords = read_options(architecture.build, _used(name, options), "train.options", SIZES)
    problems = _row_problems(name, architecture, input_shape, category_sizes)
    if problems:
        raise ParamsError(problems)
    if category_sizes:
        keywords["category_sizes"] = category_sizes
    if not is_own(name):
        return architecture.build(input_shape=input_shape, d_out=d_out, **keywords)
    with building(name):
        network = architecture.build(input_shape=input_shape, d_out=d_out, **keywords)
        if d_out is not None:
            with torch.no_grad():
                found = network.eval()(torch.zeros(2, *input_shape))
            require_outputs(name, tuple(found.shape), d_out)
    return network.train()


def foreign_options(name: str, options: Mapping[str, Any]) -> list[str]:
    """The options that a network does not have, and others of ours have.

    They are not used: so `-S train.network=cnn` is enough where params.yaml has an mlp's options.
    """
    if name not in NETWORKS and not is_own(name):
        return []
    known = [option_names(line.build, SIZES) for line in NETWORKS.values()]
    others = set().union(*known) - option_names(find_network(name).build, SIZES)
    return [key for key in options if key in others]


def _used(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    foreign = foreign_options(name, options)
    return {key: value for key, value in options.items() if key not in foreign}


def _row_problems(
    name: str,
    architecture: Architecture,
    input_shape: tuple[int, ...],
    category_sizes: tuple[int, ...],
) -> list[Problem]:
    """Why the architecture cannot read such rows; empty if it can."""
    messages = []
    if len(input_shape) != 3 and not architecture.reads_tables:
        messages.append(
            f"{name!r} reads images (channels, height, width), but the rows here are a table of "
            f"{input_shape[0]} columns; use {_names(lambda line: line.reads_tables)}"
        )
    if len(input_shape) == 3 and not architecture.reads_images:
        messages.append(f"{name!r} reads tables, and the rows here are images; use another")
    if category_sizes and not architecture.embeds_categories:
        names = _names(lambda line: line.embeds_categories)
        messages.append(
            f"{name!r} has no embeddings; use {names}, or set scale.categorical: one_hot"
        )
    return [Problem("train.network", message) for message in messages]


def _names(fits: Callable[[Architecture], bool]) -> str:
    return " or ".join(name for name, architecture in NETWORKS.items() if fits(architecture))


def network_problems(name: str, options: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a name and its options, as far as it can be checked without data.

    Some options depend on each other, which only building the network checks; torchvision's do not,
    and their networks can be large. What shapes the user's own take is known with the data.
    """
    try:
        if name.startswith(PREFIX) or is_own(name):
            used = _used(name, options)
            read_options(find_network(name).build, used, "train.options", SIZES)
        else:
            build_network(name, options, input_shape=(3, 32, 32), d_out=2)
    except ParamsError as error:
        return list(error.problems)
    return []
