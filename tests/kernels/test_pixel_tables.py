"""The tables give what the formula says, and its gradient."""

import pytest
import torch
from torch import Tensor

from layerline.kernels.pixel_tables import PixelTables, from_background

B, P, C, J = 5, 7, 6, 3


def case(kind: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(sum(map(ord, kind)))
    x = torch.rand(B, P, generator=g, dtype=torch.float64) * 3
    x *= torch.rand(B, P, generator=g) > 0.5
    w, b = torch.randn(2, C, generator=g, dtype=torch.float64)
    v = torch.randn(C, P, J, generator=g, dtype=torch.float64)
    if kind == "scaled":
        x = (x - x.mean()) / x.std()
    elif kind == "bright background":
        x = 3 - x
    elif kind == "no background":
        x = torch.randn(B, P, generator=g, dtype=torch.float64)
    elif kind == "blank":
        x = torch.full((B, P), 0.7, dtype=torch.float64)
    elif kind == "no bias":
        b = torch.zeros(C, dtype=torch.float64)
    elif kind == "no bend":
        b = b.abs() + 10
    elif kind == "dead":
        b = -b.abs() - 10
    elif kind == "odd channels":
        w[0], b[0], w[1], b[1], w[2] = 0.0, 1.0, 0.0, -1.0, w[3]
        b[2] = b[3]
    return x, w.requires_grad_(), b.requires_grad_(), v.requires_grad_()


KINDS = [
    "plain",
    "scaled",
    "bright background",
    "no background",
    "blank",
    "no bias",
    "no bend",
    "dead",
    "odd channels",
]


def dense(x: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
    channels = (x.unsqueeze(1) * w.unsqueeze(1) + b.unsqueeze(1)).relu()
    return channels.flatten(1) @ v.flatten(0, 1)


def by_tables(x: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
    return PixelTables.apply(*from_background(x, w, b), v)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_sums_and_the_same_gradients(kind: str) -> None:
    x, *weights = case(kind)
    expected, found = dense(x, *weights), by_tables(x, *weights)
    torch.testing.assert_close(found, expected)
    outer = torch.randn(B, J, dtype=torch.float64)
    for a, e in zip(
        torch.autograd.grad(found, weights, outer),
        torch.autograd.grad(expected, weights, outer),
        strict=True,
    ):
        torch.testing.assert_close(a, e)


def test_the_gradient_is_that_of_small_differences() -> None:
    x, *weights = case("plain")
    u = from_background(x, *weights[:2])[0]
    assert torch.autograd.gradcheck(lambda *w: PixelTables.apply(u, *w), weights)


@pytest.mark.parametrize("kind", ["scaled", "bright background"])
def test_background_is_what_most_pixels_show(kind: str) -> None:
    x, w, b, _ = case(kind)
    u, w_new, b_new = from_background(x, w, b)
    assert (u >= 0).all()
    assert (u == 0).double().mean() > 0.3
    torch.testing.assert_close(u.unsqueeze(2) * w_new + b_new, x.unsqueeze(2) * w + b)
