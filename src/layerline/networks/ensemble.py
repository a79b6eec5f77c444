"""Several networks whose predictions are averaged."""

import copy
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem

Mean = Literal["probabilities", "outputs", "exponentials"]


class Ensemble(nn.Module):
    """Members of one architecture, each with its own weights; their predictions are averaged.

    `train.members` makes one.

    Options:
        member: the name of the architecture.
        member_options: its options.
        members: how many.
        mean: of softmax probabilities, so that outputs are their logs; of outputs themselves, for
            numbers; exponentials: the log of the mean of exponentials, for logs of counts.
        variations: each member's options, where they differ from `member_options`.
        weights: what each member counts.

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
        mean: Mean = "outputs",
        variations: tuple[dict[str, Any], ...] = (),
        weights: tuple[Annotated[float, Field(gt=0)], ...] = (),
    ) -> None:
        super().__init__()
        from layerline.networks import build_network

        _require_fitting(d_out, members, mean, {"variations": variations, "weights": weights})
        self.members = nn.ModuleList(
            build_network(
                member,
                {**(member_options or {}), **own},
                input_shape=input_shape,
                d_out=d_out,
                category_sizes=category_sizes,
            )
            for own in variations or ({},) * members
        )
        self.mean: str = mean if d_out is not None else "features"
        self.d_hidden = sum(_width(network) for network in self.members)
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        outputs = [network(x) for network in self.members]
        if self.mean == "features":
            return torch.cat(outputs, 1)
        stacked = torch.stack(outputs)
        if self.mean == "outputs":
            return (stacked * self._beside(stacked)).sum(0) if self.weights else stacked.mean(0)
        logs = stacked.log_softmax(2) if self.mean == "probabilities" else stacked
        if self.weights:
            return (logs + self._beside(logs).log()).logsumexp(0)
        return logs.logsumexp(0) - math.log(len(outputs))

    def part(self, places: Sequence[int]) -> "Ensemble":
        """Some of the members, which it shares, as an ensemble of equal weights."""
        found = copy.copy(self)
        chosen = nn.ModuleList(self.members[place] for place in places)
        found._modules = {**self._modules, "members": chosen}
        found.weights = ()
        return found

    def _beside(self, stacked: Tensor) -> Tensor:
        """(M, 1, 1) the members' weights, of sum 1."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        return (weights / weights.sum()).to(stacked).view(-1, 1, 1)


def to_averaged(outputs: Tensor, mean: Mean) -> Tensor:
    """A member's outputs (B, O) as what is averaged: probabilities, exponentials or themselves."""
    if mean == "probabilities":
        return outputs.softmax(1)
    return outputs.exp() if mean == "exponentials" else outputs


def from_averaged(averaged: Tensor, mean: Mean) -> Tensor:
    """The outputs (B, O) of the ensemble."""
    return averaged if mean == "outputs" else averaged.log()


def _require_fitting(
    d_out: int | None, members: int, mean: Mean, lists: dict[str, tuple[Any, ...]]
) -> None:
    problems = [
        Problem(f"train.options.{name}", f"needs one for each of {members} members, has {len(own)}")
        for name, own in lists.items()
        if own and len(own) != members
    ]
    if mean == "probabilities" and d_out == 1:
        message = "the probability of a single output is always 1; set mean: outputs"
        problems.append(Problem("train.options.mean", message))
    if problems:
        raise ParamsError(problems)


def _width(network: nn.Module) -> int:
    width = getattr(network, "d_hidden", 0)  # a user's own need not have it
    assert isinstance(width, int)
    return width
