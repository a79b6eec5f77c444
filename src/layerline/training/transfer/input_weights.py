"""The weights that belong to a table's features: taken from a source by the features' names."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from layerline.networks.embeddings import NoEmbeddings, TableEmbeddings
from layerline.networks.ensemble import Ensemble
from layerline.networks.serialization import NetworkSpec
from layerline.training.transfer.column_matching import FeatureMap


class PerFeature(NamedTuple):
    """How a weight's numbers belong to features: `width` neighbours along `dim` to each.

    A feature that the source has not got keeps what was drawn for it, or gets zeros: where the
    first layer reads zeros, nothing changes before the first step.
    """

    dim: int
    width: int
    is_read: bool  # by the first layer

    def map(self, fresh: Tensor, old: Tensor, features: FeatureMap) -> Tensor:
        """`fresh` with the numbers of `old`, whose features have other places."""
        taken = torch.zeros_like(fresh) if self.is_read else fresh.clone()
        by_feature = taken.unflatten(self.dim, (-1, self.width))
        theirs = old.unflatten(self.dim, (-1, self.width))
        for place, before in enumerate(features.places):
            if before is not None:
                by_feature.select(self.dim, place).copy_(theirs.select(self.dim, before))
        return taken

    def fits(self, fresh: Tensor, old: Tensor, features: FeatureMap) -> bool:
        """Whether the two differ in their features alone."""
        n_theirs = len(features.left) + sum(place is not None for place in features.places)
        shape = list(fresh.shape)
        shape[self.dim] = n_theirs * self.width
        return list(old.shape) == shape


def per_feature(network: nn.Module, spec: NetworkSpec) -> dict[str, PerFeature]:
    """Those weights by name; empty where features cannot be distinguished.

    That is so for images, for ensembles, and where codes of categories come after the numbers.
    """
    if len(spec.input_shape) != 1 or spec.category_sizes or isinstance(network, Ensemble):
        return {}
    embed, width, found = getattr(network, "embed", None), 1, {}
    if isinstance(embed, TableEmbeddings) and not isinstance(embed.numbers, NoEmbeddings):
        width = embed.d_out // spec.input_shape[0]
        found = {
            f"embed.numbers.{name}": PerFeature(0, 1, is_read=False)
            for name in embed.numbers.state_dict()
            if "." not in name
        }
    first = next((m for m in network.named_modules() if _is_reader(*m)), None)
    if first is None or first[1].in_features != width * spec.input_shape[0]:
        return {}
    return {**found, f"{first[0]}.weight": PerFeature(1, width, is_read=True)}


def _is_reader(name: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and not name.startswith("embed.")
