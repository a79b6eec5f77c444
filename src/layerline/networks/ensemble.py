"""Several networks of one architecture whose predictions are averaged."""

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem


class Ensemble(nn.Module):
    """Members of one architecture, each with its own weights; their predictions are averaged.

    `mean: probabilities` averages softmax probabilities, so the outputs are their logs; `outputs`
    averages the outputs themselves, for numbers; `exponentials` is the log of the mean of their
    exponentials, for outputs that are logs of counts. `train.restarts` makes one from its seeds.

    Shape: as the member's -> (B, d_out); (B, d_hidden) when `d_out` is None, the hidden features of
    all members side by side.

    Source: Lakshminarayanan et al., Deep Ensembles (2017).

    >>> network = Ensemble(input_shape=(4,), d_out=3, member_options={"hidden": [8]})
    >>> network(torch.zeros(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        category_sizes: tuple[int, ...] = (),
        member: str = "mlp",
        member_options: dict[str, Any] | None = None,
        members: Annotated[int, Field(ge=1)] = 5,
        mean: Literal["probabilities", "outputs", "exponentials"] = "outputs",
    ) -> None:
        super().__init__()
        from layerline.networks import build_network

        if mean == "probabilities" and d_out == 1:
            message = "the probability of a single output is always 1; set mean: outputs"
            raise ParamsError([Problem("train.options.mean", message)])

        self.members = nn.ModuleList(
            build_network(
                member,
                member_options or {},
                input_shape=input_shape,
                d_out=d_out,
                category_sizes=category_sizes,
            )
            for _ in range(members)
        )
        self.mean: str = mean if d_out is not None else "features"
        self.d_hidden = sum(_width(network) for network in self.members)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [network(x) for network in self.members]
        if self.mean == "features":
            return torch.cat(outputs, 1)
        stacked = torch.stack(outputs)
        if self.mean == "outputs":
            return stacked.mean(0)
        logs = stacked.log_softmax(2) if self.mean == "probabilities" else stacked
        return logs.logsumexp(0) - math.log(len(outputs))


def _width(network: nn.Module) -> int:
    width = network.d_hidden
    assert isinstance(width, int)
    return width
