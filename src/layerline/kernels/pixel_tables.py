"""A ReLU of one grey value a pixel, times a wide matrix, without computing the ReLUs.

    z[b] = Σ_p Σ_c relu(w_c u_bp + b_c) V_cp        u (B, P), w and b (C,), V (C, P, J) -> z (B, J)

Each pixel adds a vector that is a piecewise-linear function of one number, u. It bends where a
channel switches, so between two such places it is slope · u + offset, and tables of slopes and
offsets describe it completely:

    relu(w u + b) = [b > 0] (w u + b) + hinge          for u ≥ 0
    hinge = relu(s w u + s b) with s = sign(w), where s b ≤ 0; it opens at u = -b / w; else 0

A table's row is the sum of the channels whose hinge is open. So a batch costs two gathered rows for
each pixel that is not background (u = 0), instead of C·J multiplications for each pixel; the
gradient takes the same way back. Exact except for the order of the additions; measured 4 times
faster than the matrix products on Fashion-MNIST at batch 256. It pays from 32 rows a batch.

Shape letters: B rows, P pixels, C channels, J hidden units, S segments between bends, N pixels that
are not background.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Pixels(NamedTuple):
    """The N pixels that are not background: their row, their place, their value, their segment."""

    row: Tensor
    place: Tensor
    value: Tensor
    segment: Tensor


def from_background(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rewrite w x + b as w' u + b' with u ≥ 0, zero for most pixels: the distance from background.

    Background is the lowest or the highest value of x, whichever more pixels have.
    """
    low, high = x.min(), x.max()
    is_dark = bool((x == low).sum() >= (x == high).sum())
    if is_dark:
        return x - low, weight, bias + weight * low
    return high - x, -weight, bias + weight * high


class PixelTables(torch.autograd.Function):
    """z of the module's docstring. u has no gradient: pixels are data."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
        channels, bends = _hinges(u, w, b)
        pixels = _pixels(u, bends)
        lines = torch.stack([w, b]) * (b > 0)
        slope, offset = (lines @ v.flatten(1)).view(2, *v.shape[1:])
        tables = slope.new_empty(len(channels) + 1, 2, *slope.shape)
        tables[0, 0], tables[0, 1] = slope, 0
        steps = (torch.stack([w, b]) * w.sign())[:, channels].t()
        for k, (c, (up, on)) in enumerate(zip(channels.tolist(), steps.tolist(), strict=True)):
            torch.add(tables[k, 0], v[c], alpha=up, out=tables[k + 1, 0])
            torch.add(tables[k, 1], v[c], alpha=on, out=tables[k + 1, 1])
        ctx.save_for_backward(w, b, v, channels, *pixels)
        return _gather(pixels, tables, len(u)) + offset.sum(0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        w, b, v, channels, *pixels = ctx.saved_tensors
        dz = gradients[0].contiguous()
        by_value, by_count = _scatter(Pixels(*pixels), dz, len(channels) + 1, v.shape[1])
        dw, db, dv = torch.zeros_like(w), torch.zeros_like(b), torch.zeros_like(v)
        slopes, offsets = w.tolist(), b.tolist()

        def write(c: int, values: Tensor, counts: Tensor) -> None:
            """From the sums of u dz and of dz over the pixels for which channel c is active."""
            torch.mul(values, slopes[c], out=dv[c]).add_(counts, alpha=offsets[c])
            dw[c], db[c] = torch.dot(values.view(-1), v[c].view(-1)), (counts * v[c]).sum()

        hinges = list(enumerate(channels.tolist()))
        for k, c in reversed(hinges):
            if offsets[c] <= 0:
                write(c, by_value[k + 1], by_count[k + 1])
            by_value[k] += by_value[k + 1]  # now the sum over the segments from k on
            by_count[k] += by_count[k + 1]
        # The others are active from u = 0 on, background pixels as well, some up to their bend.
        every, total = by_value[0], dz.sum(0).expand_as(by_count[0])
        ends = {c: k + 1 for k, c in hinges}
        for c in (b > 0).nonzero().flatten().tolist():
            if c in ends:
                write(c, every - by_value[ends[c]], total - by_count[ends[c]])
            else:
                write(c, every, total)
        return None, dw, db, dv


def _hinges(u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The channels that switch at a u that some pixel exceeds, and where, in that order."""
    switches = ((w > 0) & (b <= 0)) | ((w < 0) & (b > 0))
    bends, channels = torch.where(switches, -b / w, torch.inf).sort(stable=True)
    n_bends = int((bends < u.max()).sum())
    return channels[:n_bends], bends[:n_bends]


def _pixels(u: Tensor, bends: Tensor) -> Pixels:
    row, place = u.nonzero(as_tuple=True)
    value = u[row, place]
    return Pixels(row, place, value, torch.bucketize(value, bends))


def _gather(pixels: Pixels, tables: Tensor, n_rows: int) -> Tensor:
    """(B, J): each row's sum over its pixels of value · slope + offset. tables is (S, 2, P, J)."""
    n_places, width = tables.shape[2:]
    slope_at = pixels.segment * (2 * n_places) + pixels.place
    return F.embedding_bag(
        torch.stack([slope_at, slope_at + n_places], 1).flatten(),
        tables.view(-1, width),
        2 * torch.searchsorted(pixels.row, torch.arange(n_rows)),
        mode="sum",
        per_sample_weights=torch.stack([pixels.value, torch.ones_like(pixels.value)], 1).flatten(),
    )


def _scatter(pixels: Pixels, dz: Tensor, n_segments: int, n_places: int) -> tuple[Tensor, Tensor]:
    """The sums of value · dz and of dz over the pixels of each segment and place, (S, P, J)."""
    key, order = (pixels.segment * n_places + pixels.place).sort(stable=True)
    row, value = pixels.row[order], pixels.value[order]
    starts = torch.searchsorted(key, torch.arange(n_segments * n_places))
    shape = (n_segments, n_places, dz.shape[1])
    weighted = F.embedding_bag(row, dz, starts, mode="sum", per_sample_weights=value)
    return weighted.view(shape), F.embedding_bag(row, dz, starts, mode="sum").view(shape)
