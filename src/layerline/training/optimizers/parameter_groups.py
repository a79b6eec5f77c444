"""Which parameters learn together, and which of them decay."""

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import Field
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

Rate = Annotated[float, Field(gt=0, description="The base rate, which the schedule changes.")]
Decay = Annotated[float, Field(ge=0, description="How strongly weights are drawn to 0.")]
Beta = Annotated[
    float, Field(ge=0, lt=1, description="What a running mean keeps of the past at each step.")
]

_SPARED = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Embedding, nn.EmbeddingBag)


def groups(
    network: nn.Module, weight_decay: float, without: Collection[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Two groups: weights of matrices and kernels, which decay, and the rest, which do not.

    Parameters that are frozen, or in `without`, are in neither.

    Biases and norms have no direction in which to over-fit, and decaying them costs accuracy. An
    embedding's rows decay at every step and learn only when their level is seen, so a rare level
    would be driven to zero. Frequencies, positions and scales are no weights, as their names say.

    Source: Gorishniy et al., Revisiting Deep Learning Models for Tabular Data (2021), whose code
    spares biases, norms and tokenizers; He et al., Bag of Tricks (2019), section 3.1.
    """
    spared, left_out = _spared(network), {id(parameter) for parameter in without}
    learning = [p for p in network.parameters() if p.requires_grad and id(p) not in left_out]
    return [
        {"params": [p for p in learning if id(p) not in spared], "weight_decay": weight_decay},
        {"params": [p for p in learning if id(p) in spared], "weight_decay": 0.0},
    ]


def _spared(network: nn.Module) -> frozenset[int]:
    """The ids of the parameters that do not decay."""
    return frozenset(
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        # By name as well: the biases of several networks in one batch are a matrix.
        if parameter.ndim <= 1 or "weight" not in name or isinstance(module, _SPARED)
    )
