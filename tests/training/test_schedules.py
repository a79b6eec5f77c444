"""Contract of every schedule: a factor between 0 and 1 at every progress."""

import inspect
import json
import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerline.training.schedules import (
    SCHEDULES,
    Adaptive,
    ReduceOnPlateau,
    constant,
    cosine,
    coslog4,
    exponential,
    one_cycle,
    step,
)

SHARE = st.floats(0, 1)
WARMED = [name for name in SCHEDULES if "warmup" in inspect.signature(SCHEDULES[name]).parameters]
PURE = [name for name in SCHEDULES if not isinstance(SCHEDULES[name](), Adaptive)]


@pytest.mark.parametrize("name", SCHEDULES)
@given(progress=SHARE)
def test_the_factor_stays_in_range(name: str, progress: float) -> None:
    assert 0 <= SCHEDULES[name]()(progress) <= 1 + 1e-12


@pytest.mark.parametrize("name", WARMED)
@given(progress=SHARE, warmup=st.floats(0, 0.99))
def test_the_factor_stays_in_range_with_warm_up(name: str, progress: float, warmup: float) -> None:
    assert 0 <= SCHEDULES[name](warmup=warmup)(progress) <= 1 + 1e-12


@pytest.mark.parametrize("name", WARMED)
def test_warm_up_is_linear_from_zero(name: str) -> None:
    factor = SCHEDULES[name](warmup=0.2)
    assert [factor(0.0), factor(0.1)] == [0.0, pytest.approx(0.5)]
    assert factor(0.2) == 1


def test_those_without_the_option_warm_up_by_themselves() -> None:
    assert {name for name in SCHEDULES if name not in WARMED} == {"one_cycle", "coslog4"}
    assert one_cycle()(0) < 0.1
    assert coslog4()(0) == 0


@pytest.mark.parametrize("name", PURE)
@given(order=st.permutations(range(8)))
def test_a_pure_schedule_depends_on_progress_alone(name: str, order: Sequence[int]) -> None:
    factor = SCHEDULES[name]()
    asked = {index: factor(index / 7) for index in order}
    assert asked == {index: SCHEDULES[name]()(index / 7) for index in range(8)}


def test_constant_is_constant() -> None:
    assert {constant()(step / 10) for step in range(11)} == {1.0}


def test_cosine_goes_from_one_to_final() -> None:
    factor = cosine(final=0.1)
    assert factor(0) == 1
    assert factor(0.5) == pytest.approx(0.55)
    assert factor(1) == pytest.approx(0.1)


def test_step_falls_at_its_marks() -> None:
    factor = step(at=(0.25, 0.5, 0.75), factor=0.5)
    assert [factor(share) for share in (0, 0.249, 0.25, 0.5, 1)] == [1, 1, 0.5, 0.25, 0.125]


def test_exponential_falls_by_the_same_ratio() -> None:
    factor = exponential(final=0.001)
    ratios = [factor(share + 0.2) / factor(share) for share in (0, 0.3, 0.8)]
    assert ratios == pytest.approx([ratios[0]] * 3)
    assert factor(1) == pytest.approx(0.001)


def test_one_cycle_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=101)
    for index in range(101):
        # Theirs rises over 0.3 * 101 - 1 of 100 intervals.
        rate = one_cycle(rise=(0.3 * 101 - 1) / 100)(index / 100)
        assert rate == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        if index < 100:
            theirs.step()


def test_coslog4_peaks_four_times_each_wave_twice_as_long() -> None:
    factor = coslog4()
    ends = [(2**wave - 1) / 15 for wave in range(5)]
    peaks = [(2 ** (wave + 0.5) - 1) / 15 for wave in range(4)]
    assert [factor(share) for share in ends] == pytest.approx([0] * 5, abs=1e-9)
    assert [factor(share) for share in peaks] == pytest.approx([1] * 4)


VALUES = st.lists(st.floats(0, 10), max_size=60)


@given(VALUES, st.integers(1, 5), st.floats(0, 1))
def test_reduce_on_plateau_is_torchs(values: list[float], patience: int, min_delta: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=0.5,
        patience=patience - 1,  # they allow that many before the epoch that reduces
        threshold=min_delta,
        threshold_mode="abs",
        min_lr=0.1,
        eps=0.0,
    )
    ours = ReduceOnPlateau(factor=0.5, patience_epochs=patience, min_delta=min_delta, final=0.1)
    for value in values:
        theirs.step(value)
        ours.observe(value)
        assert ours(0.5) == optimizer.param_groups[0]["lr"]


@given(VALUES, VALUES)
def test_reduce_on_plateau_goes_on_from_its_state(before: list[float], after: list[float]) -> None:
    first, second = ReduceOnPlateau(patience_epochs=2), ReduceOnPlateau(patience_epochs=2)
    for value in before:
        first.observe(value)
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    for value in after:
        first.observe(value)
        second.observe(value)
    assert second.state() == first.state()


def test_reduce_on_plateau_reduces_after_patience_and_not_after_a_gain() -> None:
    schedule = ReduceOnPlateau(factor=0.1, patience_epochs=2, final=0.05)
    assert isinstance(schedule, Adaptive)
    factors = []
    for value in (1.0, 0.9, 0.9, 0.9, 0.8, math.nan, 0.8):
        schedule.observe(value)
        factors.append(schedule(0.5))
    assert factors == [1, 1, 1, 0.1, 0.1, 0.1, 0.05]
