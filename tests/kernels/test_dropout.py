"""Dropout with masks of its own: the share, the scale, the gradient, the seeds."""

import pytest
import torch
from torch import nn

from layerline.kernels.dropout import Dropout, draw_kept, drop_, scale_of
from layerline.kernels.ranks import Ranks, shared_batch

TYPES = [torch.float64, torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.875])
def test_the_share_asked_for_is_zero_and_the_rest_is_scaled(rate: float, dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(501, 203, dtype=dtype)  # not a multiple of the four places of a draw
    dropped = Dropout(rate).train()(x)
    kept = dropped != 0
    spread = (rate * (1 - rate) / x.numel()) ** 0.5
    assert abs(float(kept.double().mean()) - (1 - rate)) < 5 * spread
    scaled = (torch.ones(1, dtype=dtype) * scale_of(rate)).item()
    assert set(dropped.unique().tolist()) == {0.0, scaled}


def test_places_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = draw_kept(torch.Size((20_000, 8)), 0.3).double()
    together = torch.corrcoef(kept.t()) - torch.eye(8)
    assert float(together.abs().max()) < 5 / 20_000**0.5


@pytest.mark.parametrize("dtype", TYPES)
def test_the_gradient_goes_where_the_value_went(dtype) -> None:
    x = torch.randn(64, 33, dtype=dtype).abs().add_(1).requires_grad_()
    layer = Dropout(0.4).train()
    dropped = layer(x)
    dropped.sum().backward()
    assert torch.equal(x.grad != 0, dropped != 0)
    torch.testing.assert_close(x.grad * x.detach(), dropped.detach())


def test_a_seed_gives_the_same_mask_with_and_without_gradients() -> None:
    layer, x = Dropout(0.5).train(), torch.randn(30, 7)
    found = []
    for needs_gradient in (True, False):
        torch.manual_seed(3)
        with torch.set_grad_enabled(needs_gradient):
            found.append(layer(x.clone().requires_grad_(needs_gradient)).detach())
    generator = torch.Generator().manual_seed(3)
    found.append(drop_(x.clone(), 0.5, generator))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("rate", [0.0, 1e-7])
def test_a_rate_of_nothing_drops_nothing(rate: float) -> None:
    x = torch.ones(1000, 1000)
    assert torch.equal(Dropout(rate).train()(x), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.999, 1 - 5e-6])
def test_the_mean_stays_also_where_the_rate_is_rounded(rate: float) -> None:
    levels = torch.arange(2**16, dtype=torch.int64).to(torch.int16)  # every draw there is, once
    kept = levels <= -(2**15) + round(2**16 / scale_of(rate)) - 1
    assert float(kept.double().mean()) * scale_of(rate) == pytest.approx(1)
    assert 0 < 1 / scale_of(rate) == pytest.approx(1 - rate, abs=2**-16)


def test_prediction_and_what_is_no_plain_tensor_are_torchs() -> None:
    layer, x = Dropout(0.5), torch.randn(10, 10)
    assert layer.eval()(x) is x
    torch.manual_seed(0)
    halves = layer.train()(x.half())
    torch.manual_seed(0)
    assert torch.equal(halves, nn.Dropout(0.5).train()(x.half()))
    turned = layer(x.t())
    kept = turned != 0
    torch.testing.assert_close(turned[kept], 2 * x.t()[kept])


def test_a_rank_takes_its_rows_of_the_whole_batchs_mask() -> None:
    shape = torch.Size((3, 5))
    whole = draw_kept(torch.Size((7, 5)), 0.5, torch.Generator().manual_seed(0))
    with shared_batch(Ranks(1, 2), 7):  # rank 0 has four of the seven rows
        own = draw_kept(shape, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(own, whole[4:])
    with shared_batch(Ranks(1, 2), 7, draws_whole=False):
        alone = draw_kept(shape, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(alone, draw_kept(shape, 0.5, torch.Generator().manual_seed(0)))
