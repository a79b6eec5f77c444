"""A network on disk: `network.safetensors` (weights) beside `spec.json` (how to build it again).

Equal networks give equal bytes: safetensors holds no time and no path, and spec.json is canonical.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from layerline.artifacts import NETWORK_SPEC, NETWORK_WEIGHTS, read_json_as, write_json
from layerline.errors import DataError, SourceError
from layerline.networks import build_network
from layerline.networks.own_network import save_code, using_code_of
from layerline.tables.targets import TargetColumn, read_targets, write_targets


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """What is needed besides the weights to build a network and to interpret its outputs.

    Regression outputs are standardised: in the user's unit they are
    `output * target_scale + target_center`, or `target_curve` of that number.
    """

    network: str
    options: Mapping[str, Any]
    input_shape: tuple[int, ...]
    d_out: int
    task: str
    classes: tuple[Any, ...] | None = None
    target_center: float = 0.0
    target_scale: float = 1.0
    link: Mapping[str, Any] | None = None  # from outputs to standardised units; None: as they are
    category_sizes: tuple[int, ...] = ()  # levels of each of the last C columns, which are codes
    target_curve: Mapping[str, Any] | None = None  # from these numbers to the user's unit
    targets: tuple[TargetColumn, ...] = ()  # several, an output each

    def build(self) -> nn.Module:
        """Build the network with fresh weights, drawn from torch's global generator."""
        return build_network(
            self.network,
            self.options,
            input_shape=self.input_shape,
            d_out=self.d_out,
            category_sizes=self.category_sizes,
        )


def save_network(folder: Path, network: nn.Module, spec: NetworkSpec) -> None:
    """Write weights and spec into `folder`.

    Raises:
        DataError: a weight is not finite; nothing is written.
    """
    weights = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise DataError(f"network weight {name!r} is not finite; the network was not saved")
    save_file(weights, folder / NETWORK_WEIGHTS)
    # safetensors makes it 0600, but a tracking server must read it too.
    (folder / NETWORK_WEIGHTS).chmod(0o644)
    write_json(folder / NETWORK_SPEC, _from_spec(spec))
    save_code(folder, network)


# What a network that its spec describes wrongly raises when it is built.
_LOAD_ERRORS = (OSError, RuntimeError, TypeError, ValueError, AttributeError, KeyError)


def load_spec(folder: Path) -> NetworkSpec:
    """Read spec.json.

    Raises:
        SourceError: it is missing or damaged.
    """
    return read_json_as(folder / NETWORK_SPEC, _to_spec)


def _from_spec(spec: NetworkSpec) -> dict[str, Any]:
    state = dataclasses.asdict(spec)
    if spec.targets:
        return {**state, "targets": write_targets(spec.targets)}
    del state["targets"]
    return state


def _to_spec(raw: dict[str, Any]) -> NetworkSpec:
    raw["input_shape"] = tuple(raw["input_shape"])
    raw["classes"] = None if raw["classes"] is None else tuple(raw["classes"])
    raw["category_sizes"] = tuple(raw.get("category_sizes", ()))
    raw["targets"] = read_targets(raw.get("targets"))
    return NetworkSpec(**raw)


def load_network(folder: Path) -> tuple[nn.Module, NetworkSpec]:
    """The network of `folder` with its weights, in evaluation mode, on the CPU.

    Raises:
        SourceError: the weights are missing, damaged or do not fit the spec.
    """
    spec = load_spec(folder)
    path = folder / NETWORK_WEIGHTS
    try:
        weights = load_file(path)
        with using_code_of(folder):
            network = spec.build()
        network.load_state_dict(weights)
    except (*_LOAD_ERRORS, SafetensorError) as error:
        raise SourceError(f"{path}: cannot be loaded: {error}") from None
    return network.eval(), spec
