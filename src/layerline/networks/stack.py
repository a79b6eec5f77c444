"""Several networks of one architecture as one batched network, for training seeds at once.

The stack owns the parameters, (R, ...) for R members; each member's own parameters become views of
it, so a step of the stack is a step of every member, and a member can be read, copied and saved as
a plain network. Whatever is an nn.Sequential of layers with a batched form can be stacked; to add a
kind of layer: a class here, a line in _KINDS.

Shape letters: R members, B rows; the stack maps (R, B, F) to (R, B, O).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from layerline.kernels.dropout import Dropout, draw_kept, scale_of
from layerline.kernels.linear import Linear
from layerline.networks.activations import is_activation
from layerline.networks.blocks import Skip


class NotStackableError(Exception):
    """A network has a layer without a batched form; its name is the message."""


def stack_networks(members: Sequence[nn.Module], dropouts: Sequence[Generator]) -> nn.Module:
    """One network (R, B, ...) -> (R, B, O) that shares its parameters with the `members`.

    `dropouts` draw the masks, one generator for each member: with the state that torch's own
    generator would have, a member drops what it would drop alone.

    Raises:
        NotStackableError: a layer has no batched form.
    """
    return _stack(members, dropouts)


def _parts(members: Sequence[nn.Module], name: str) -> list[nn.Module]:
    return [member.get_submodule(name) for member in members]


def _stack(members: Sequence[nn.Module], dropouts: Sequence[Generator]) -> nn.Module:
    first = members[0]
    if isinstance(first, nn.Identity) or is_activation(first):
        return first  # element by element, so it is its own stack
    if isinstance(first, nn.Sequential):
        places = zip(*members, strict=True)
        return nn.Sequential(*[_stack(place, dropouts) for place in places])
    if isinstance(first, Skip):
        block, shortcut = (_stack(_parts(members, p), dropouts) for p in ("block", "shortcut"))
        return StackedSkip(block, shortcut)
    if isinstance(first, nn.Flatten):
        return nn.Flatten(2)
    if isinstance(first, Dropout):
        rates = [member.p for member in members if isinstance(member, Dropout)]
        return StackedDropout(rates, dropouts)
    if type(first) not in _KINDS:
        raise NotStackableError(type(first).__name__)
    return _KINDS[type(first)](members)


def share(members: Sequence[nn.Module], name: str) -> Tensor:
    """The parameter or buffer `name` of all members as one (R, ...); theirs become views of it."""
    whole = torch.stack([getattr(member, name).detach() for member in members])
    for member, view in zip(members, whole, strict=True):
        getattr(member, name).data = view
    return whole


class StackedLinear(nn.Module):
    """A linear layer for each member: (R, B, d_in) -> (R, B, d_out)."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight = nn.Parameter(share(members, "weight"))
        has_bias = members[0].bias is not None
        self.bias = nn.Parameter(share(members, "bias")) if has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return torch.bmm(x, self.weight.mT)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class StackedBatchNorm(nn.Module):
    """Batch norm of each member's features over its own rows: (R, B, H) -> (R, B, H)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        first = members[0]
        assert isinstance(first, nn.BatchNorm1d)
        assert first.momentum is not None
        self.momentum, self.epsilon = first.momentum, first.eps
        # Not called weight: a matrix of that name would decay (optimizers/parameter_groups.py).
        self.scale = nn.Parameter(share(members, "weight"))
        self.shift = nn.Parameter(share(members, "bias"))
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, share(members, name))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        n_members, n_rows, width = x.shape
        normed = F.batch_norm(
            x.transpose(0, 1).reshape(n_rows, n_members * width),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.scale.view(-1),
            self.shift.view(-1),
            self.training,
            self.momentum,
            self.epsilon,
        )
        return normed.view(n_rows, n_members, width).transpose(0, 1)


class StackedLayerNorm(nn.Module):
    """Layer norm of each row, scaled by its member: (R, B, H) -> (R, B, H)."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        first = members[0]
        assert isinstance(first, nn.LayerNorm)
        self.shape, self.epsilon = first.normalized_shape, first.eps
        self.scale = nn.Parameter(share(members, "weight"))
        self.shift = nn.Parameter(share(members, "bias"))

    def forward(self, x: Tensor) -> Tensor:
        normed = F.layer_norm(x, self.shape, eps=self.epsilon)
        return torch.addcmul(self.shift.unsqueeze(1), normed, self.scale.unsqueeze(1))


class StackedDropout(nn.Module):
    """Dropout at each member's rate; its mask is the one it would draw alone."""

    scales: Tensor

    def __init__(self, rates: Sequence[float], generators: Sequence[Generator]) -> None:
        super().__init__()
        self.rates, self.generators = rates, generators
        scales = torch.tensor([scale_of(rate) for rate in rates])
        self.register_buffer("scales", scales, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        drawn = zip(x, self.rates, self.generators, strict=True)
        kept = torch.stack([draw_kept(own.shape, rate, random) for own, rate, random in drawn])
        return (x * kept.to(x.dtype)).mul_(self.scales.view(-1, *[1] * (x.ndim - 1)))


class StackedSkip(nn.Module):
    """The residual blocks of all members."""

    def __init__(self, block: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.block, self.shortcut = block, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return (self.shortcut(x) + self.block(x)) * 0.5**0.5


_KINDS: dict[type[nn.Module], Callable[[Sequence[nn.Module]], nn.Module]] = {
    nn.Linear: StackedLinear,
    Linear: StackedLinear,
    nn.BatchNorm1d: StackedBatchNorm,
    nn.LayerNorm: StackedLayerNorm,
}
