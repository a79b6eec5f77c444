"""A network as a list of plain layers, which the page computes one after the other.

A layer is a dictionary with a `kind`, and arrays where it has weights:

    embed      numbers (none, piecewise_linear, periodic) and categories become vectors
    conv       weight (O, I, k, k), norm, activation, then 2 x 2 max pooling where `pool` says so
    recurrent  cells, by layer and direction
    dense      weight (O, I), bias, norm, activation, and a skip connection in a residual block

To add a network: its layers in LAYERS. Dropout is left out, since it only acts in training.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem
from layerline.kernels.dropout import Dropout
from layerline.networks.activations import ACTIVATIONS
from layerline.networks.blocks import Skip
from layerline.networks.cnn import CNN
from layerline.networks.conv1x1_mlp import Conv1x1MLP
from layerline.networks.embeddings import (
    PeriodicEmbeddings,
    TableEmbeddings,
)
from layerline.networks.ensemble import Ensemble
from layerline.networks.mlp import MLP
from layerline.networks.piecewise_linear import PiecewiseLinearEmbeddings
from layerline.networks.rnn import CELLS, RNN
from layerline.networks.seven_layer import SevenLayer

Layer = dict[str, Any]
_ACTIVATION_NAMES = {type(kind.build()): name for name, kind in ACTIVATIONS.items()}


def members_of(network: nn.Module) -> list[list[Layer]]:
    """The layers of each member; a network that is no ensemble is its only member.

    Raises:
        ParamsError: the page cannot compute such a network.
    """
    if isinstance(network, Ensemble):
        return [layers_of(member) for member in network.members]
    return [layers_of(network)]


def layers_of(network: nn.Module) -> list[Layer]:
    """The layers of one network.

    Raises:
        ParamsError: the page cannot compute such a network.
    """
    build = LAYERS.get(type(network))
    if build is None:
        raise _unknown(network)
    layers = build(network)
    for number, layer in enumerate(layers):
        layer["name"] = "output" if number == len(layers) - 1 else layer.get("name", layer["kind"])
    return layers


def _unknown(module: nn.Module) -> ParamsError:
    known = "mlp, seven_layer, conv1x1_mlp, cnn, rnn, and ensembles of them"
    message = f"the explorer runs {known}; it cannot run {type(module).__name__}"
    return ParamsError([Problem("train.network", message)])


def _mlp(network: MLP) -> list[Layer]:
    embed = [] if network.embed is None else [_embed(network.embed)]
    return [*embed, *_dense([*network.blocks, network.head])]


def _seven_layer(network: SevenLayer) -> list[Layer]:
    return _dense([*network.layers, network.head])


def _conv1x1_mlp(network: Conv1x1MLP) -> list[Layer]:
    flat = _linear(network.flat.weight.T, network.flat.bias)
    following = _dense([*network.blocks, network.head], flat)
    return [*_convolutions(network.mixers), *following]


def _cnn(network: CNN) -> list[Layer]:
    return [*_convolutions(network.blocks), *_dense([network.head])]


def _rnn(network: RNN) -> list[Layer]:
    steps, cells = network.steps, []
    for layer in range(steps.num_layers):
        names = [f"l{layer}", *([f"l{layer}_reverse"] if steps.bidirectional else [])]
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        cells.append([{k: _array(getattr(steps, f"{k}_{name}")) for k in kinds} for name in names])
    cell = next(name for name, kind in CELLS.items() if type(steps) is kind)
    recurrent = {"kind": "recurrent", "cell": cell, "cells": cells, "readout": network.readout}
    return [recurrent | {"hidden": steps.hidden_size}, *_dense([network.head])]


LAYERS: dict[type[nn.Module], Callable[[Any], list[Layer]]] = {
    MLP: _mlp,
    SevenLayer: _seven_layer,
    Conv1x1MLP: _conv1x1_mlp,
    CNN: _cnn,
    RNN: _rnn,
}


def _dense(modules: Iterable[nn.Module], first: Layer | None = None) -> list[Layer]:
    """Linear maps, each with the norm and activation that follow it."""
    layers = [] if first is None else [first]
    for module in modules:
        if isinstance(module, nn.Linear):
            layers.append(_linear(module.weight, module.bias))
        elif isinstance(module, Skip):
            (inner,) = _dense(module.block)
            projection = getattr(module.shortcut, "weight", None)
            skip = {"projection": None if projection is None else _array(projection)}
            layers.append(inner | {"skip": skip})
        elif not isinstance(module, Dropout | nn.Flatten | nn.Identity):
            layers[-1] |= _after(module)
    return layers


def _linear(weight: Tensor, bias: Tensor | None) -> Layer:
    found = None if bias is None else _array(bias)
    plain = {"norm": None, "activation": None, "skip": None}
    return {"kind": "dense", "weight": _array(weight), "bias": found, **plain}


def _after(module: nn.Module) -> Layer:
    """What a norm or an activation adds to the layer before it."""
    if type(module) in _ACTIVATION_NAMES:
        return {"activation": _ACTIVATION_NAMES[type(module)]}
    if isinstance(module, nn.LayerNorm):
        norm = {"kind": "layer", "epsilon": module.eps}
        return {"norm": norm | {"scale": _array(module.weight), "shift": _array(module.bias)}}
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        assert module.running_mean is not None
        assert module.running_var is not None
        norm = {"kind": "batch", "epsilon": module.eps, "scale": _array(module.weight)}
        norm |= {"shift": _array(module.bias), "mean": _array(module.running_mean)}
        return {"norm": norm | {"variance": _array(module.running_var)}}
    raise _unknown(module)


def _convolutions(modules: Iterable[nn.Module]) -> list[Layer]:
    layers: list[Layer] = []
    for module in modules:
        if isinstance(module, nn.Conv2d):
            bias = None if module.bias is None else _array(module.bias)
            layer = {"kind": "conv", "weight": _array(module.weight), "bias": bias, "pool": False}
            layers.append(layer | {"norm": None, "activation": None})
        elif isinstance(module, nn.MaxPool2d):
            layers[-1]["pool"] = True
        elif not isinstance(module, Dropout | nn.Flatten):
            layers[-1] |= _after(module)
    return layers


def _embed(embed: TableEmbeddings) -> Layer:
    numbers: Layer = {"kind": "none"}
    if isinstance(embed.numbers, PiecewiseLinearEmbeddings):
        found = embed.numbers
        edges = _array(found.edges.expand(len(found.weight), -1))
        numbers = {"kind": "piecewise_linear", "edges": edges, "weight": _array(found.weight)}
        numbers["bias"] = _array(found.bias.squeeze(1))
    elif isinstance(embed.numbers, PeriodicEmbeddings):
        waves = embed.numbers
        numbers = {"kind": "periodic", "frequencies": _array(waves.frequencies)}
        numbers |= {"weight": _array(waves.linear.weight), "bias": _array(waves.linear.bias)}
    tables = [] if embed.categories is None else list(embed.categories.tables.parameters())
    return {"kind": "embed", "numbers": numbers, "tables": [_array(table) for table in tables]}


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().numpy())
