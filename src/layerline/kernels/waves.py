"""Cosines and sines of periodic embeddings, with a gradient that reuses them."""

import math
from typing import Any

import torch
from torch import Tensor

from layerline.kernels.switch import is_on


def waves(x: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """(cos, sin) of 2πcx, (B, F, k) each, for rows x (B, F) and frequencies c (F, k)."""
    if is_on("waves"):
        cos, sin = _Waves.apply(x, frequencies)
        return cos, sin
    phase = x.unsqueeze(2) * (frequencies * math.tau)
    return phase.cos(), phase.sin()


class _Waves(torch.autograd.Function):
    """Autograd would compute both again, which costs a third of the embedding's time."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        phase = x.unsqueeze(2) * (frequencies * math.tau)
        return phase.cos(), phase.sin()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Any) -> None:
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        x, frequencies, cos, sin = ctx.saved_tensors
        d_cos, d_sin = gradients
        d_phase = torch.addcmul(d_sin * cos, d_cos, sin, value=-1)
        d_frequencies = (d_phase * x.unsqueeze(2)).sum(0) * math.tau
        if not ctx.needs_input_grad[0]:
            return None, d_frequencies
        return (d_phase * (frequencies * math.tau)).sum(2), d_frequencies
