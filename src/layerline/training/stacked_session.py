"""A step of several networks as one stacked network."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from layerline.training.device import autocast
from layerline.training.inference import rows_at_once
from layerline.training.objectives import losses_of_members
from layerline.training.prefetch import Source
from layerline.training.session import Session


@dataclasses.dataclass
class StackedSession(Session):
    """A session of a stack of R networks. Batches are (B, R) positions, losses (R,).

    `orders` draw each member's order of rows and augmentations, `dropouts` its masks; `networks`
    are the members. With rates of their own the optimizer has the members' parameters, which are
    views of the stack's.
    """

    dropouts: Sequence[Generator] = ()
    networks: Sequence[nn.Module] = ()

    def rows(self, train: Source, batch: Tensor) -> tuple[Tensor, Tensor]:
        """(R, B, ...) rows and (R, B) targets, each member's augmented by its own draws."""
        n_rows, n_members = batch.shape
        x, y = train.take(batch.t().flatten())
        x, y = x.unflatten(0, (n_members, n_rows)), y.unflatten(0, (n_members, n_rows))
        if self.augment is not None:
            made = [self.augment(one, of, g) for one, of, g in zip(x, y, self.orders, strict=True)]
            x, y = (torch.stack(part) for part in zip(*made, strict=True))
        return x, y

    def _gradients(self, train: Source, batches: Sequence[Tensor]) -> Tensor:
        if self.has_own_rates:  # then the optimizer does not know the stack's parameters
            self.network.zero_grad(set_to_none=True)
        return super()._gradients(train, batches)

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

    @torch.inference_mode()
    def predict(self, x: Tensor) -> Tensor:
        self.network.eval()
        n_members = len(self.networks)
        n_rows = max(1, rows_at_once(self.networks[0], x) // n_members)
        with autocast(x.device, self.precision):
            chunks = [
                self.network(chunk.expand(n_members, *chunk.shape)) for chunk in x.split(n_rows)
            ]
        return torch.cat(chunks, 1).float()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "dropouts": [g.get_state() for g in self.dropouts]}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        for generator, kept in zip(self.dropouts, state["dropouts"], strict=True):
            generator.set_state(kept)
