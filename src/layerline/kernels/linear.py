"""The linear layer of every network, on oneDNN where torch's own product is slow.

On a CPU torch multiplies float32 matrices with MKL, which uses no AVX-512 on processors of other
makers than Intel. oneDNN, which torch ships too and takes for convolutions and bfloat16, does: on
an AMD EPYC of the fifth generation 225 instead of 100 GFLOP/s a core.
"""

import functools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from layerline.kernels.switch import is_on

MIN_MULTIPLICATIONS = 1e6  # below it the call costs what is saved
MIN_MULTIPLICATIONS_AUTOGRAD = 4e6  # the same where autograd has to call Python
_NARROW = 4  # times fewer inputs than outputs, and oneDNN is faster on the transposed product


class Linear(nn.Linear):
    """torch.nn.Linear: the same parameters and the same sums, in another order.

    Shape: (B, d_in) -> (B, d_out).
    """

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight  # once: an adapter computes it
        has_grad = torch.is_grad_enabled()
        least = MIN_MULTIPLICATIONS_AUTOGRAD if has_grad else MIN_MULTIPLICATIONS
        if not _is_plain(x, weight) or not _takes_onednn(x, weight, least):
            return F.linear(x, weight, self.bias)
        if not has_grad:
            return multiply(x, weight, self.bias)
        output: Tensor = _OneDNNLinear.apply(x, weight, self.bias)
        return output


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """X (N, K) times weight (M, K) transposed, plus bias (M,), then ReLU; any strides.

    It takes the fastest product of the CPU and records nothing for autograd.
    """
    if _takes_onednn(x, weight) or (relu and x.dtype == torch.bfloat16 and onednn_has_bfloat16()):
        return _by_onednn(x, weight, bias, "relu" if relu else "none")
    product = torch.mm(x, weight.t()) if bias is None else torch.addmm(bias, x, weight.t())
    return product.relu_() if relu else product


def weight_gradient(d_output: Tensor, x: Tensor) -> Tensor:
    """The gradient (M, K) of a weight, from the output's (N, M) and the rows x (N, K)."""
    if x.shape[1] * _NARROW <= d_output.shape[1] and _takes_onednn(d_output.t(), x.t()):
        return multiply(x.t(), d_output.t()).t().contiguous()
    return multiply(d_output.t(), x.t())


def _by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(
        x, weight, bias, activation, [], ""
    )
    return product


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return multiply(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        d_x = multiply(d_output, weight.t()) if needs_x else None
        d_weight = weight_gradient(d_output, x) if needs_weight else None
        return d_x, d_weight, d_output.sum(0) if needs_bias and ctx.has_bias else None


def _is_plain(x: Tensor, weight: Tensor) -> bool:
    """Whether it is rows times a matrix on a CPU, outside of exports and autocast."""
    return (
        x.ndim == 2
        and x.dtype == weight.dtype
        and x.device.type == "cpu"
        and not torch.compiler.is_compiling()  # an export must have standard operations
        and not torch.is_autocast_enabled("cpu")
    )


def _takes_onednn(x: Tensor, weight: Tensor, least: float = MIN_MULTIPLICATIONS) -> bool:
    is_large = len(x) * weight.numel() >= least
    return is_large and x.dtype == torch.float32 and mkl_lacks_avx512() and is_on("linear")


@functools.cache
def onednn_has_bfloat16() -> bool:
    """Whether torch has oneDNN, and that multiplies bfloat16 on this processor."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


@functools.cache
def mkl_lacks_avx512() -> bool:
    """Whether this is a processor with AVX-512 that is not Intel's, and torch has oneDNN."""
    if not torch.backends.mkldnn.is_available() or not torch.backends.mkl.is_available():
        return False
    cpu = Path("/proc/cpuinfo")
    return (
        torch.backends.cpu.get_cpu_capability() == "AVX512"
        and cpu.exists()
        and "GenuineIntel" not in cpu.read_text(encoding="utf-8", errors="replace")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
