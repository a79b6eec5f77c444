"""A ReLU of one grey value a pixel, times a wide matrix, a few channels at a time.

    z[b] = Σ_c Σ_p relu(w_c u_bp + b_c) V_cp + s     u (B, P), w and b (C,), V (C·P, J) -> z (B, J)

The ReLUs of a batch and the matrix are tens of megabytes each. Here they are computed, cast and
multiplied in groups of channels that stay in the cache, and the matrix's gradient is written into
memory that is kept from step to step: a fresh block of that size costs as much as its product. For
bfloat16, where the products themselves are fast; for float32 see pixel_tables.py.

Shape letters: B rows, P pixels, C channels, G channels at a time, J hidden units.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from layerline.kernels.products import add_gradient, mask_gradient_

CHANNELS_AT_ONCE = 8


class SavedPixels(NamedTuple):
    """The pixels (B, P), and each group's rows of the matrix and its ReLUs (B, G·P)."""

    pixels: Tensor
    groups: list[tuple[slice, Tensor]]


class PixelGroups:
    """z of the module's docstring as a product of the chain: (B, 1, H, W) -> (B, J).

    Source: Lin et al., Network In Network (2014), for convolutions of one pixel.
    """

    def __init__(self, mixer: nn.Conv2d, matrix: Tensor, shift: Tensor) -> None:
        assert mixer.bias is not None
        self.weight, self.bias, self.matrix, self.shift = mixer.weight, mixer.bias, matrix, shift
        self._memory: Tensor | None = None  # of the matrix's gradient

    @property
    def learns(self) -> bool:
        return any(p.requires_grad for p in (self.weight, self.bias, self.matrix, self.shift))

    def forward(self, x: Tensor, relu: bool) -> tuple[Tensor, SavedPixels]:
        saved = SavedPixels(x.flatten(1), [])
        z = self.shift.detach().float().expand(len(x), -1).clone()
        for rows, opened in self._groups(saved.pixels):
            z += torch.mm(opened, self.matrix[rows].to(x.dtype))
            saved.groups.append((rows, opened))
        z = z.to(x.dtype)
        return z.relu_() if relu else z, saved

    def backward(self, d_output: Tensor, saved: SavedPixels, needs_input: bool) -> None:
        """As any product's; pixels are data and get no gradient."""
        assert not needs_input
        pixels, groups = saved
        factors = torch.stack([pixels, torch.ones_like(pixels)], 2)  # of slopes and of offsets
        d_mixers = []
        write = self._start_gradient()
        for rows, opened in groups:
            write(rows, torch.mm(opened.t(), d_output))
            d_opened = torch.mm(d_output, self.matrix[rows].to(d_output.dtype).t())
            mask_gradient_(d_opened, opened)
            by_row = torch.bmm(d_opened.unflatten(1, (-1, pixels.shape[1])), factors)
            d_mixers.append(by_row.sum(0, dtype=self.weight.dtype))
        d_weight, d_bias = torch.cat(d_mixers).t().contiguous()
        gradients = (d_weight.view_as(self.weight), d_bias, d_output.sum(0))
        for parameter, gradient in zip(
            (self.weight, self.bias, self.shift), gradients, strict=True
        ):
            if parameter.requires_grad:
                add_gradient(parameter, gradient)

    def _start_gradient(self) -> Callable[[slice, Tensor], object]:
        """A function that takes rows of the matrix's gradient."""
        if not self.matrix.requires_grad:
            return lambda rows, part: None
        if self.matrix.grad is not None:
            before = self.matrix.grad
            return lambda rows, part: before[rows].add_(part)
        if self._memory is None:
            self._memory = torch.empty_like(self.matrix)
        self.matrix.grad = memory = self._memory
        return lambda rows, part: memory[rows].copy_(part)

    def _groups(self, pixels: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Each group's rows of the matrix and its ReLUs (B, G·P)."""
        n_rows, n_pixels = pixels.shape
        slopes, offsets = (
            self.weight.detach().flatten().tolist(),
            self.bias.detach().to(pixels.dtype),
        )
        for first in range(0, len(slopes), CHANNELS_AT_ONCE):
            some = slopes[first : first + CHANNELS_AT_ONCE]
            opened = pixels.new_empty(n_rows, len(some), n_pixels)
            for place, slope in enumerate(some):
                torch.add(offsets[first + place], pixels, alpha=slope, out=opened[:, place])
            yield slice(first * n_pixels, (first + len(some)) * n_pixels), opened.relu_().flatten(1)
