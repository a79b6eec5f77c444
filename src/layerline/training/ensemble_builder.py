"""Trained networks as the members of one ensemble."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from layerline.networks.ensemble import Ensemble, Mean
from layerline.networks.serialization import NetworkSpec
from layerline.training.objectives import read_link


def mean_of(spec: NetworkSpec) -> Mean:
    """What of the members' outputs is averaged."""
    if read_link(spec.link).name == "log":
        return "exponentials"  # the outputs are logs; what is averaged is the prediction
    return "outputs" if spec.classes is None else "probabilities"


def as_ensemble(
    networks: Sequence[nn.Module],
    spec: NetworkSpec,
    options: Sequence[Mapping[str, Any]] = (),
    weights: Sequence[float] = (),
) -> tuple[Ensemble, NetworkSpec]:
    """The networks as the members of one that averages their answers, and its spec.

    `options` are each network's, where they are not those of the spec; equal `weights` are not
    written down.
    """
    shared = dict(spec.options)
    own = [{name: one[name] for name in one if one[name] != shared.get(name)} for one in options]
    together: dict[str, Any] = {
        "member": spec.network,
        "member_options": shared,
        "members": len(networks),
        "mean": mean_of(spec),
    }
    if any(own):
        together["variations"] = own
    if len(set(weights)) > 1:
        together["weights"] = list(weights)
    ensemble_spec = dataclasses.replace(spec, network="ensemble", options=together)
    ensemble = ensemble_spec.build()
    assert isinstance(ensemble, Ensemble)
    for place, network in zip(ensemble.members, networks, strict=True):
        place.load_state_dict(network.state_dict())
    return ensemble.eval(), ensemble_spec
