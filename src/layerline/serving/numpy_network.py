"""A multilayer perceptron as numpy products: torch's module calls cost ten times as much.

Batch norm is folded into the linear map before it, dropout is dropped. Layers that are not in STEPS
(attention, convolutions, periodic embeddings) stay torch modules. To add a layer, write it as a
function of an array and a line in STEPS; every folded network is verified against torch's when
loaded.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit
from torch import nn

from layerline.kernels.dropout import Dropout
from layerline.kernels.switch import is_on
from layerline.networks.blocks import Skip
from layerline.networks.ensemble import Ensemble
from layerline.networks.mlp import MLP
from layerline.serving.numpy_embeddings import Floats, Step, fold_embeddings


def fold(network: nn.Module) -> Step | None:
    """The network as one function (B, F) -> (B, O) float32; None where a layer is unknown."""
    if not is_on("numpy_network"):
        return None
    if isinstance(network, Ensemble):
        members = [fold(member) for member in network.members]
        known = [member for member in members if member is not None]
        return average(network, known) if len(known) == len(members) else None
    if not isinstance(network, MLP):
        return None
    layers = [*network.blocks, network.head]
    if network.embed is None:
        return _sequence(layers)
    embed, following = fold_embeddings(network.embed), _sequence(layers)
    return None if embed is None or following is None else _chain([embed, following])


def average(network: Ensemble, members: list[Step]) -> Step | None:
    """The ensemble of folded members; None where their features are not averaged."""
    weights = np.asarray(network.weights or [1.0] * len(members))
    shares = (weights / weights.sum()).astype(np.float32)
    logs = np.log(shares)[:, None, None]

    def run(x: Floats) -> Floats:
        outputs = np.stack([member(x) for member in members])
        if network.mean == "outputs":
            return np.tensordot(shares, outputs, 1)
        if network.mean == "probabilities":
            outputs -= logsumexp(outputs, 2)
        return logsumexp(outputs + logs, 0)[0]

    return None if network.mean == "features" else run


def logsumexp(x: Floats, axis: int) -> Floats:
    """log(sum(exp(x))) along an axis, which stays."""
    highest = x.max(axis, keepdims=True)
    total: Floats = highest + np.log(np.exp(x - highest).sum(axis, keepdims=True))
    return total


def _sequence(layers: list[nn.Module]) -> Step | None:
    steps: list[Step] = []
    position = 0
    while position < len(layers):
        layer = layers[position]
        following = layers[position + 1] if position + 1 < len(layers) else None
        if isinstance(layer, nn.Linear):
            norm = following if isinstance(following, nn.BatchNorm1d) else None
            steps.append(_linear(layer, norm))
            position += 1 if norm is None else 2
            continue
        build = STEPS.get(type(layer))
        step = None if build is None else build(layer)
        if step is None:
            return None
        if step is not _same:
            steps.append(step)
        position += 1
    return _chain(steps)


def _chain(steps: list[Step]) -> Step:
    def run(x: Floats) -> Floats:
        for step in steps:
            x = step(x)
        return x

    return run


def _linear(layer: nn.Linear, norm: nn.BatchNorm1d | None) -> Step:
    weight = layer.weight.detach().numpy().astype(np.float64).T
    bias = np.zeros(weight.shape[1]) if layer.bias is None else _double(layer.bias)
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = _double(norm.weight) / np.sqrt(_double(norm.running_var) + norm.eps)
        weight = weight * scale
        bias = (bias - _double(norm.running_mean)) * scale + _double(norm.bias)
    w, b = np.ascontiguousarray(weight, np.float32), bias.astype(np.float32)

    def apply(x: Floats) -> Floats:
        y = x @ w
        y += b
        return y

    return apply


def _double(tensor: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.detach().numpy().astype(np.float64)
    return values


def _layer_norm(layer: nn.LayerNorm) -> Step:
    weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))

    def apply(x: Floats) -> Floats:
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        return centred / np.sqrt(variance + np.float32(layer.eps)) * weight + bias

    return apply


def _skip(layer: Skip) -> Step | None:
    inner, shortcut = _sequence(list(layer.block)), _sequence([layer.shortcut])
    if inner is None or shortcut is None:
        return None
    return lambda x: (shortcut(x) + inner(x)) * np.float32(0.5**0.5)


def _leaky(layer: nn.LeakyReLU) -> Step:
    slope = np.float32(layer.negative_slope)
    return lambda x: np.where(x > 0, x, x * slope)


def _elu(layer: nn.ELU) -> Step:
    alpha = np.float32(layer.alpha)
    return lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _gelu(layer: nn.GELU) -> Step | None:
    half, root = np.float32(0.5), np.float32(2**-0.5)
    return None if layer.approximate != "none" else lambda x: half * x * (1 + erf(x * root))


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


def _selu(x: Floats) -> Floats:
    # The two constants of Klambauer et al. (2017), as torch has them.
    alpha, scale = np.float32(1.6732632423543772), np.float32(1.0507009873554805)
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _silu(x: Floats) -> Floats:
    return x * expit(x)


def _mish(x: Floats) -> Floats:
    return x * np.tanh(np.logaddexp(x, np.float32(0)))


def _flatten(x: Floats) -> Floats:
    return x.reshape(len(x), -1)


def _same(x: Floats) -> Floats:
    return x


STEPS: Mapping[type[nn.Module], Callable[[Any], Step | None]] = {
    nn.Flatten: lambda layer: _flatten,
    nn.Identity: lambda layer: _same,
    Dropout: lambda layer: _same,
    nn.ReLU: lambda layer: _relu,
    nn.LeakyReLU: _leaky,
    nn.ELU: _elu,
    nn.SELU: lambda layer: _selu,
    nn.GELU: _gelu,
    nn.SiLU: lambda layer: _silu,
    nn.Mish: lambda layer: _mish,
    nn.Sigmoid: lambda layer: expit,
    nn.Tanh: lambda layer: np.tanh,
    nn.LayerNorm: _layer_norm,
    Skip: _skip,
}
