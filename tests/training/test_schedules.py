"""Contract of every schedule: a factor between 0 and 1 at every progress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerline.training.schedules import SCHEDULES, constant, cosine

SHARE = st.floats(0, 1)


@pytest.mark.parametrize("name", SCHEDULES)
@given(progress=SHARE, warmup=st.floats(0, 0.99))
def test_the_factor_stays_in_range(name: str, progress: float, warmup: float) -> None:
    assert 0 <= SCHEDULES[name](warmup=warmup)(progress) <= 1 + 1e-12


def test_cosine_goes_from_one_to_final() -> None:
    factor = cosine(final=0.1)
    assert factor(0) == 1
    assert factor(0.5) == pytest.approx(0.55)
    assert factor(1) == pytest.approx(0.1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_is_linear_from_zero(name: str) -> None:
    factor = SCHEDULES[name](warmup=0.2)
    assert [factor(0.0), factor(0.1)] == [0.0, pytest.approx(0.5)]
    assert factor(0.2) == 1


def test_constant_is_constant() -> None:
    assert {constant()(step / 10) for step in range(11)} == {1.0}
