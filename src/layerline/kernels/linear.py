"""The linear map of every network, on oneDNN where torch's own product is held back.

On a CPU torch multiplies float32 matrices with MKL, which does not use AVX-512 on processors that
are not Intel's. oneDNN, which torch ships too and takes for convolutions and bfloat16, does: on an
AMD EPYC of the fifth generation 225 in place of 100 GFLOP/s a core.
"""

import functools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

WORTH_THE_CALL = 1e6  # multiplications; below, calling costs what is saved
WORTH_A_FUNCTION = 4e6  # the same where autograd has to call Python
_NARROW = 4  # times fewer inputs than outputs, and oneDNN is quicker the other way round


class Linear(nn.Linear):
    """torch.nn.Linear with the same parameters and the same sums, in another order.

    Shape: (B, d_in) -> (B, d_out).
    """

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight  # once: an adapter computes it
        records = torch.is_grad_enabled()
        least = WORTH_A_FUNCTION if records else WORTH_THE_CALL
        if not _is_plain(x, weight) or not _takes_onednn(x, weight, least):
            return F.linear(x, weight, self.bias)
        if not records:
            return multiply(x, weight, self.bias)
        found: Tensor = _OneDNNLinear.apply(x, weight, self.bias)
        return found


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """X (N, K) times weight (M, K) transposed, plus bias (M,), then ReLU; strides are free.

    By the quickest kernel there is on a CPU; nothing for autograd.
    """
    if _takes_onednn(x, weight) or (relu and x.dtype == torch.bfloat16 and onednn_has_bfloat16()):
        return _by_onednn(x, weight, bias, "relu" if relu else "none")
    product = torch.mm(x, weight.t()) if bias is None else torch.addmm(bias, x, weight.t())
    return product.relu_() if relu else product


def multiply_back(d_output: Tensor, x: Tensor) -> Tensor:
    """The gradient (M, K) of a weight, from the output's (N, M) and the rows x (N, K)."""
    if x.shape[1] * _NARROW <= d_output.shape[1] and _takes_onednn(d_output.t(), x.t()):
        return multiply(x.t(), d_output.t()).t().contiguous()
    return multiply(d_output.t(), x.t())


def _by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None, ends: str) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, ends, [], "")
    return found


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return multiply(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        dx = multiply(d_out, weight.t()) if needs_x else None
        d_weight = multiply_back(d_out, x) if needs_weight else None
        return dx, d_weight, d_out.sum(0) if needs_bias and ctx.has_bias else None


def _is_plain(x: Tensor, weight: Tensor) -> bool:
    """Whether it is rows times a matrix on a CPU, and nobody writes down the operations."""
    return (
        x.ndim == 2
        and x.dtype == weight.dtype
        and x.device.type == "cpu"
        and not torch.compiler.is_compiling()  # an export has operations that others know
        and not torch.is_autocast_enabled("cpu")
    )


def _takes_onednn(x: Tensor, weight: Tensor, least: float = WORTH_THE_CALL) -> bool:
    is_large = len(x) * weight.numel() >= least
    return is_large and x.dtype == torch.float32 and mkl_is_held_back()


@functools.cache
def onednn_has_bfloat16() -> bool:
    """Whether torch has oneDNN, and that multiplies bfloat16 on this processor."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


@functools.cache
def mkl_is_held_back() -> bool:
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
