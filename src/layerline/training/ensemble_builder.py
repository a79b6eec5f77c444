"""Trained networks as the members of one ensemble."""

import dataclasses
from collections.abc import Sequence

from torch import nn

from layerline.networks.ensemble import Ensemble
from layerline.networks.serialization import NetworkSpec
from layerline.training.objectives import read_link


def as_ensemble(networks: Sequence[nn.Module], spec: NetworkSpec) -> tuple[Ensemble, NetworkSpec]:
    """The networks as the members of one that averages their answers, and its spec."""
    mean = "outputs" if spec.classes is None else "probabilities"
    if read_link(spec.link).name == "log":
        mean = "exponentials"  # the outputs are logs; what is averaged is the prediction
    options = {
        "member": spec.network,
        "member_options": dict(spec.options),
        "members": len(networks),
        "mean": mean,
    }
    together = dataclasses.replace(spec, network="ensemble", options=options)
    ensemble = together.build()
    assert isinstance(ensemble, Ensemble)
    for place, network in zip(ensemble.members, networks, strict=True):
        place.load_state_dict(network.state_dict())
    return ensemble.eval(), together
