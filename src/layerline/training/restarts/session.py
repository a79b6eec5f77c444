"""A step of all seeds together."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from layerline.training.device import autocast
from layerline.training.objectives import losses_of_members
from layerline.training.prefetch import Source
from layerline.training.state import Session


@dataclasses.dataclass
class JointSession(Session):
    """A session of a stack of R networks. Batches are (B, R) positions, losses (R,).

    `orders` give each member's order of rows and augmentations, `dropouts` its masks; `random` is
    not used.
    """

    orders: Sequence[Generator] = ()
    dropouts: Sequence[Generator] = ()

    def rows(self, train: Source, batch: Tensor) -> tuple[Tensor, Tensor]:
        """(R, B, ...) rows and (R, B) targets, each member's augmented by its own draws."""
        n_rows, n_members = batch.shape
        x, y = train.take(batch.t().flatten())
        x, y = x.unflatten(0, (n_members, n_rows)), y.unflatten(0, (n_members, n_rows))
        if self.augment is not None:
            made = [self.augment(one, of, g) for one, of, g in zip(x, y, self.orders, strict=True)]
            x, y = (torch.stack(part) for part in zip(*made, strict=True))
        return x, y

    def _backward(self, x: Tensor, y: Tensor, share: float = 1.0) -> Tensor:
        with autocast(x.device, self.precision):
            outputs = self.network(x)
        losses = losses_of_members(self.loss, outputs.float(), y)
        if share != 1:
            losses = losses * share
        # Each member's weights reach its own loss alone, so the sum has every member's gradient.
        losses.sum().backward()
        return losses.detach()

    def gradient_norm(self) -> Tensor:
        """(R,) the norm of each member's gradient in the last step, before clipping."""
        return self._norms() if self.unclipped is None else self.unclipped

    def _norms(self) -> Tensor:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norms = [gradient.flatten(1).norm(dim=1) for gradient in gradients]
        return torch.stack(norms).norm(dim=0)

    def _clip(self, norm: float) -> None:
        # torch.nn.utils.clip_grad_norm_, member by member.
        self.unclipped = self._norms()
        factors = (norm / (self.unclipped + 1e-6)).clamp(max=1.0)
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factors.view(-1, *[1] * (parameter.ndim - 1)))

    def state(self) -> dict[str, Any]:
        """As a session's, with the generators of every member."""
        kept = super().state()
        kept["orders"] = [generator.get_state() for generator in self.orders]
        kept["dropouts"] = [generator.get_state() for generator in self.dropouts]
        return kept

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`; its tensors are copied."""
        super().load(state)
        for part, generators in (("orders", self.orders), ("dropouts", self.dropouts)):
            for generator, kept in zip(generators, state[part], strict=True):
                generator.set_state(kept)
