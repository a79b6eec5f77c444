"""Orders of rows: every row once, or every class equally often, from the generator alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerline.errors import ParamsError
from layerline.training.dataset import Rows
from layerline.training.sampling import SAMPLERS, balanced, blocks, draw_order, shuffled


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_order_is_positions_from_its_generator_alone(name: str) -> None:
    y = torch.arange(5000) % 7
    before = torch.get_rng_state()
    order = SAMPLERS[name](y, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    assert (order.shape, order.dtype) == (y.shape, torch.int64)
    assert 0 <= int(order.min()) <= int(order.max()) < len(y)
    assert torch.equal(order, SAMPLERS[name](y, seeded()))
    assert not torch.equal(order, SAMPLERS[name](y, seeded(1)))


@given(st.integers(1, 300), st.integers(0, 2**31))
def test_shuffled_is_torchs_permutation(n_rows: int, seed: int) -> None:
    order = shuffled(torch.zeros(n_rows), seeded(seed))
    assert torch.equal(order, torch.randperm(n_rows, generator=seeded(seed)))


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=200),
    st.integers(0, 2**31),
)
def test_balanced_draws_each_class_equally_often(labels: list[int], seed: int) -> None:
    y = torch.tensor(labels)
    drawn = y[balanced(y, seeded(seed))].bincount(minlength=7)
    there = y.bincount(minlength=7) > 0
    assert int(drawn.sum()) == len(y)
    assert (drawn[~there] == 0).all()
    assert int(drawn[there].max() - drawn[there].min()) <= 1


def test_balanced_reaches_every_row_of_a_class() -> None:
    y = torch.tensor([0] * 90 + [1] * 10)
    generator = seeded()
    seen = torch.cat([balanced(y, generator) for _ in range(40)]).bincount(minlength=100)
    assert (seen > 0).all()
    assert float(seen[90:].float().mean()) == pytest.approx(200)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 9), st.integers(0, 2**31))
def test_blocks_take_every_row_once(n_rows: int, size: int, together: int, seed: int) -> None:
    y = torch.zeros(n_rows)
    order = blocks(y, seeded(seed), block_rows=size, blocks_together=together)
    assert torch.equal(order.sort().values, torch.arange(n_rows))


def test_a_stretch_of_blocks_touches_few_of_them_and_mixes_those() -> None:
    order = blocks(torch.zeros(1000), seeded(), block_rows=50, blocks_together=4)
    starts = []
    for stretch in order.split(200):
        touched = (stretch // 50).unique()
        assert len(touched) == 4
        assert len((stretch[:50] // 50).unique()) == 4
        starts.append(tuple(touched.tolist()))
    assert starts != sorted(starts)


def test_balanced_refuses_numbers() -> None:
    with pytest.raises(ParamsError, match=r"train\.sampling: 'balanced' draws each class"):
        balanced(torch.rand(10), seeded())


def test_streamed_rows_are_shuffled_by_blocks() -> None:
    x, y = torch.zeros(4000, 1024), torch.zeros(4000)  # 1,024 rows are 4 MiB
    streamed = draw_order(Rows(x, y, is_streamed=True), "shuffled", seeded())
    expected = blocks(y, seeded(), block_rows=1024)
    assert torch.equal(streamed, expected)
    assert torch.equal(draw_order(Rows(x, y), "shuffled", seeded()), shuffled(y, seeded()))
    with pytest.raises(ParamsError, match=r"train\.sampling: 'shufled' is not known"):
        draw_order(Rows(x, y), "shufled", seeded())
