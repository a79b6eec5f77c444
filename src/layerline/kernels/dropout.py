"""Dropout whose mask is drawn four places at a time.

On a CPU torch draws each place of a mask separately, which is a third of a step of a small network.
Here one draw of 64 random bits decides four places with 16 bits each, so a rate is exact to 1 in
65,536. The bits come from torch's own generator, so seeds and snapshots cover them. Without the
kernel the mask is the same, and plain operations apply it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable

from layerline.kernels.ranks import current_batch
from layerline.kernels.switch import is_on

_INTEGERS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.bfloat16: torch.int16,
}
_LEVELS = 2**16


class Dropout(nn.Dropout):
    """torch.nn.Dropout; on a CPU with its own masks, several times as fast.

    Shape: any -> the same.

    Source: Srivastava et al., Dropout (2014).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or x.dtype not in _INTEGERS or torch.compiler.is_compiling():
            return _drop_by_torch(x, self.p)
        if not is_on("dropout"):
            return x * draw_kept(x.shape, self.p).to(x.dtype) * scale_of(self.p)
        if not torch.is_grad_enabled():
            return drop_(x.clone(memory_format=torch.contiguous_format), self.p)
        dropped: Tensor = _Drop.apply(x, self.p)
        return dropped


def drop_(x: Tensor, rate: float, generator: Generator | None = None) -> Tensor:
    """Set a share `rate` of x, contiguous, to zero and scale the rest, in place; return x."""
    return _apply_(x, draw_kept(x.shape, rate, generator), rate)


def draw_kept(shape: torch.Size, rate: float, generator: Generator | None = None) -> Tensor:
    """An int16 mask of that shape: 1 for what is kept, 0 for a share `rate`.

    A rank may draw for the rows of all ranks and take its own: masks are those of one process.
    """
    batch = current_batch()
    whole, own = (shape, slice(None)) if batch is None else batch.widen(shape)
    n_places = whole.numel()
    drawn = torch.empty((n_places + 3) // 4, dtype=torch.int64)
    drawn.random_(-(2**63), None, generator=generator)
    lowest = -_LEVELS // 2
    return drawn.view(torch.int16)[:n_places].view(whole)[own].le_(lowest + _kept_levels(rate) - 1)


def scale_of(rate: float) -> float:
    """The factor of what is kept, so that the mean stays."""
    return _LEVELS / _kept_levels(rate)


def _kept_levels(rate: float) -> int:
    return max(1, round((1 - rate) * _LEVELS))


def _drop_by_torch(x: Tensor, rate: float) -> Tensor:
    batch = current_batch()
    if batch is None:
        return F.dropout(x, rate)
    whole, own = batch.widen(x.shape)
    return x * F.dropout(x.new_ones(whole), rate)[own]


def _apply_(x: Tensor, kept: Tensor, rate: float) -> Tensor:
    # Bits as integers times 1 or 0: torch vectorises that, but not floats times booleans.
    x.view(_INTEGERS[x.dtype]).mul_(kept)
    return x.mul_(scale_of(rate))


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: float) -> Tensor:
        kept = draw_kept(x.shape, rate)
        ctx.save_for_backward(kept)
        ctx.rate = rate
        return _apply_(x.clone(memory_format=torch.contiguous_format), kept, rate)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return _apply_(d_out.clone(memory_format=torch.contiguous_format), kept, ctx.rate), None
