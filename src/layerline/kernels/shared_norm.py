"""Batch norm over the rows of all ranks: as torch's own over the whole batch, to rounding.

torch's SyncBatchNorm runs on CUDA alone. Here each rank sends its rows' means and variances, once,
and in the backward pass two sums; both go through torch's own kernels for evaluation mode.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from layerline.kernels.batch_norm import BatchNorm
from layerline.kernels.products import add_gradient
from layerline.kernels.ranks import SharedBatch, current_batch

_backward = torch.ops.aten.native_batch_norm_backward.default


class SavedSharedNorm(NamedTuple):
    """The input (B, H, ...), each unit's mean and variance (H,), of `n_places` in all ranks."""

    x: Tensor
    mean: Tensor
    variance: Tensor
    n_places: int
    batch: SharedBatch


class SharedBatchNorm(BatchNorm):
    """torch.nn.BatchNorm1d, 2d or 3d in training mode, over the rows of all ranks."""

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        batch = current_batch()
        if batch is None:
            return super().forward(x)
        n_own = x.numel() // x.shape[1]
        counts = batch.counts(n_own)
        mean, variance = _statistics(x, counts, batch)
        n_places = sum(counts)
        if n_places < 2:
            raise ValueError("batch norm needs two rows or more in training, got one")
        self.n_batches.add_(1)
        running_mean, running_variance = self.statistics
        running_mean.lerp_(mean, self.momentum)
        running_variance.lerp_(variance * (n_places / (n_places - 1)), self.momentum)
        normed, *_ = torch.native_batch_norm(
            x, self.scale, self.shift, mean, variance, False, 0.0, self.epsilon
        )
        return normed, SavedSharedNorm(x, mean, variance, n_places, batch)

    def backward(self, d_output: Tensor, saved: Any) -> Tensor:
        if not isinstance(saved, SavedSharedNorm):
            return super().backward(d_output, saved)
        d_x, *gradients = self.gradients(d_output, saved)
        for parameter, gradient in zip((self.scale, self.shift), gradients, strict=True):
            if parameter.requires_grad:
                add_gradient(parameter, gradient)
        return d_x

    def gradients(self, d_output: Tensor, saved: SavedSharedNorm) -> tuple[Tensor, Tensor, Tensor]:
        """Those of the input, and of scale and shift from this rank's rows."""
        x, mean, variance, n_places, batch = saved
        d_x, d_scale, d_shift = _backward(
            d_output, x, self.scale, mean, variance, None, None, False, self.epsilon, [True] * 3
        )
        of_scale, of_shift = batch.ranks.add_(torch.stack([d_scale, d_shift])) / n_places
        inverse = (variance + self.epsilon).rsqrt()
        factor = self.scale.detach() * inverse
        # What torch's kernel leaves out in evaluation mode: the statistics depend on the rows.
        slope = -factor * inverse * of_scale
        constant = -factor * of_shift - slope * mean
        width = (-1, *(1,) * (x.ndim - 2))
        corrected = torch.addcmul(constant.view(width), x.float(), slope.view(width)).add_(d_x)
        return corrected.to(d_x.dtype), d_scale, d_shift


def _statistics(x: Tensor, counts: list[int], batch: SharedBatch) -> tuple[Tensor, Tensor]:
    """Mean and variance (H,) float32 over the rows of all ranks."""
    scratch = torch.zeros(2, x.shape[1], device=x.device)
    own = torch.stack(torch.batch_norm_update_stats(x, scratch[0], scratch[1], 1.0))
    means, variances = batch.ranks.gather(own.float()).unbind(1)
    shares = torch.tensor(counts, dtype=torch.float32, device=x.device).div_(sum(counts))
    shares = shares.unsqueeze(1)
    mean = (shares * means).sum(0)
    return mean, (shares * (variances + (means - mean).square())).sum(0)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, norm: SharedBatchNorm) -> Tensor:
        normed, ctx.saved = norm.forward(x)
        ctx.norm = norm
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        saved, ctx.saved = ctx.saved, None
        return *ctx.norm.gradients(d_output.contiguous(), saved), None


class _SharedForward(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self, nn.modules.batchnorm._BatchNorm)
        is_shared = self.training and current_batch() is not None
        normed: Tensor = (
            _Normalise.apply(x, self.weight, self.bias, SharedBatchNorm(self))
            if is_shared
            else super().forward(x)
        )
        return normed


class _Shared1d(_SharedForward, nn.BatchNorm1d): ...


class _Shared2d(_SharedForward, nn.BatchNorm2d): ...


class _Shared3d(_SharedForward, nn.BatchNorm3d): ...


_SHARED: dict[type, type] = {
    nn.BatchNorm1d: _Shared1d,
    nn.BatchNorm2d: _Shared2d,
    nn.BatchNorm3d: _Shared3d,
}


def share_norms(network: nn.Module) -> None:
    """Let the network's batch norms normalise over the rows of all ranks from now on."""
    for module in network.modules():
        module.__class__ = _SHARED.get(type(module), type(module))


def norm_kernel(norm: nn.BatchNorm1d) -> BatchNorm:
    """The chain's form of a batch norm."""
    return SharedBatchNorm(norm) if isinstance(norm, _SharedForward) else BatchNorm(norm)
