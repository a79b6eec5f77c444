"""Outputs that only rise, or only fall, with some inputs: by the signs of weights.

Each input and unit has a direction: +1 or -1 where it may only rise, or only fall, as the outputs
rise, 0 where it must not see such inputs at all. A weight between two directions has the sign of
their product, one from a directed unit into an undirected one is 0, the others are free. Half of
the directed units rise and half fall, so that a ReLU bends the output both ways. The weights are
those of a plain network, so whatever reads one needs to know nothing of this.

To allow a kind of layer: a branch in `_Walk.layers`.

Source: Runje and Shankaranarayana, Constrained Monotonic Neural Networks (2023), with units that
fall in the place of concave activations, and some that read the other inputs alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem
from layerline.kernels.dropout import Dropout
from layerline.networks import build_network
from layerline.networks.activations import ACTIVATIONS, is_activation
from layerline.networks.blocks import Skip
from layerline.networks.embeddings import NoEmbeddings, TableEmbeddings
from layerline.networks.mlp import MLP
from layerline.networks.piecewise_linear import PiecewiseLinearEmbeddings

Directions = Tensor  # (units,) of -1.0, 0.0 and 1.0


class Signed(NamedTuple):
    """A parameter, and the signs that its entries may have: 1, -1, NaN for any, 0 for none."""

    parameter: Tensor
    signs: Tensor


class SignedWeights:
    """The signed parameters of networks; `begin` before the first step, `keep` after each one."""

    def __init__(
        self, networks: Sequence[nn.Module], inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        """`inputs` (F,) and `outputs` (O,) have the directions -1, 0 and 1.

        Raises:
            ParamsError: a layer falls where its input rises, whatever its weights.
        """
        found = [one for network in networks for one in signed(network, inputs, outputs)]
        self._signs = [one.signs for one in found]
        self._parameters = [one.parameter for one in found]
        self._low = [torch.where(signs >= 0, 0.0, -torch.inf) for signs in self._signs]
        self._high = [torch.where(signs <= 0, 0.0, torch.inf) for signs in self._signs]

    @torch.no_grad()
    def begin(self) -> None:
        """Give first weights their signs; those of a unit then sum to 1, without them.

        Weights of one sign add up: as they are drawn, each layer would make signals many times
        as large.
        """
        for parameter, signs in zip(self._parameters, self._signs, strict=True):
            own = parameter.abs() * signs
            if parameter.ndim == 2:
                own /= own.abs().nansum(1, keepdim=True).clamp(min=1e-9)
            parameter.copy_(torch.where(signs.isnan(), parameter, own))

    @torch.no_grad()
    def keep(self) -> None:
        """Set to 0 what a step has carried to the other side of it."""
        for parameter, low, high in zip(self._parameters, self._low, self._high, strict=True):
            parameter.clamp_(low, high)


def signed(network: nn.Module, inputs: Sequence[int], outputs: Sequence[int]) -> list[Signed]:
    """The parameters whose signs make the outputs rise and fall with the inputs as asked.

    Raises:
        ParamsError: as `SignedWeights`.
    """
    assert isinstance(network, MLP)  # Architecture.can_be_monotone
    walk = _Walk(next(network.parameters()).device)
    directions = walk.to_tensor(inputs)
    if network.embed is not None:
        directions = walk.embedded(network.embed, directions)
    directions = walk.layers(network.blocks, directions)
    walk.add_linear(network.head, directions, walk.to_tensor(outputs))
    if walk.problems:
        raise ParamsError(list(walk.problems))
    return walk.found


def sign_problems(network: str, options: Mapping[str, Any]) -> list[Problem]:
    """Which options of an architecture that `can_be_monotone` let its outputs turn around."""
    try:
        signed(build_network(network, options, input_shape=(2,), d_out=1), (1, 0), (1,))
    except ParamsError as error:
        return list(error.problems)
    return []


class _Walk:
    """Follows the directions through the layers."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.found: list[Signed] = []
        self.problems: dict[Problem, None] = {}

    def to_tensor(self, directions: Sequence[int]) -> Directions:
        return torch.tensor(directions, dtype=torch.float32, device=self.device)

    def refuse(self, option: str, message: str) -> None:
        problem = Problem(f"train.options.{option}", f"{message}, and train.monotone is set")
        self.problems[problem] = None

    def embedded(self, embed: TableEmbeddings, inputs: Directions) -> Directions:
        """Of the vectors in the place of the inputs; half of a number's entries fall with it."""
        categories, numeric = embed.categories, embed.numbers
        n_codes = 0 if categories is None else len(categories.tables)
        numbers = inputs[: len(inputs) - n_codes]
        if isinstance(numeric, PiecewiseLinearEmbeddings):
            _, n_bins, width = numeric.weight.shape
            rising = self.to_tensor([(-1) ** place for place in range(width)])
            signs = torch.where(numbers[:, None] == 0, torch.nan, rising)  # with the number itself
            self.found.append(Signed(numeric.weight, signs[:, None].expand(-1, n_bins, -1)))
            numbers = (numbers[:, None] * rising).flatten()
        elif not isinstance(numeric, NoEmbeddings):
            message = "periodic waves rise and fall; use piecewise_linear or none"
            self.refuse("numeric_embeddings", message)
            numbers = inputs.new_zeros(numeric.d_out)
        return torch.cat([numbers, inputs.new_zeros(embed.d_out - len(numbers))])

    def layers(self, layers: nn.Sequential, directions: Directions) -> Directions:
        """The directions of what comes out of them."""
        for layer in layers:
            if isinstance(layer, nn.Linear):
                hidden = self.to_tensor(
                    hidden_directions(layer.out_features, sees_others=not bool(directions.all()))
                )
                self.add_linear(layer, directions, hidden)
                directions = hidden
            elif isinstance(layer, nn.BatchNorm1d):
                signs = torch.where(directions == 0, torch.nan, 1.0)
                self.found.append(Signed(layer.weight, signs))
            elif isinstance(layer, Skip):
                hidden = self.layers(layer.block, directions)
                self.add_linear(layer.shortcut, directions, hidden)
                directions = hidden
            elif is_activation(layer):
                self.check_activation(layer)
            elif not isinstance(layer, Dropout):
                self.refuse("norm", "layer norm mixes units that rise and fall; use batch or none")
        return directions

    def check_activation(self, layer: nn.Module) -> None:
        kinds = {type(kind.build()): (name, kind) for name, kind in ACTIVATIONS.items()}
        name, kind = kinds[type(layer)]
        if not kind.never_falls:
            fitting = ", ".join(key for key, other in ACTIVATIONS.items() if other.never_falls)
            self.refuse("activation", f"{name} falls before it rises; use one of {fitting}")

    def add_linear(self, layer: nn.Module, inputs: Directions, outputs: Directions) -> None:
        if isinstance(layer, nn.Linear):  # else it is the identity around a block
            signs = outputs[:, None] * inputs
            signs = torch.where(inputs == 0, torch.nan, signs)
            self.found.append(Signed(layer.weight, signs))


def hidden_directions(width: int, *, sees_others: bool) -> list[int]:
    """Of a hidden layer's units: half have none where there are other inputs, the rest both.

    >>> hidden_directions(8, sees_others=True)
    [0, 0, 0, 0, 1, 1, -1, -1]
    """
    n_others = width // 2 if sees_others else 0
    n_falling = (width - n_others) // 2
    return [0] * n_others + [1] * (width - n_others - n_falling) + [-1] * n_falling
