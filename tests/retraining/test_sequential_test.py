"""The test that may be looked at after every row: rarely wrong, and soon right."""

import numpy as np
import pytest

from layerline.retraining.sequential_test import (
    DROP,
    PROMOTE,
    WAIT,
    bounded_gains,
    log_wealth,
    weigh,
)


def correctness(shape: tuple[int, int], gain: float, differ: float = 0.06) -> np.ndarray:
    chance = np.random.default_rng(0).random(shape)
    return np.where(chance < (differ - gain) / 2, -1.0, np.where(chance < differ, 1.0, 0.0))


def test_of_equal_models_few_are_ever_promoted():
    wealth = log_wealth(correctness((200, 2000), 0.0))
    assert (wealth.max(axis=1) >= np.log(20)).mean() <= 0.05
    assert np.exp(wealth[:, 200]).mean() < 1.5  # its expectation is 1


def test_a_gain_of_one_point_is_found_within_twice_the_rows_of_a_fixed_test():
    n_fixed = int((1.6449 + 0.8416) ** 2 * 0.06 / 0.01**2)
    wealth = log_wealth(correctness((200, 2 * n_fixed), 0.01))
    assert (wealth.max(axis=1) >= np.log(20)).mean() >= 0.75  # 80 % with more streams


def test_the_order_of_the_rows_does_not_matter():
    gains = correctness((1, 500), 0.02)[0]
    assert weigh(gains).better == pytest.approx(weigh(gains[::-1]).better)


@pytest.mark.parametrize(
    ("gain", "margin", "decision"),
    [(0.05, 0.0, PROMOTE), (-0.05, 0.0, DROP), (0.0, 0.0, WAIT), (0.05, 0.06, WAIT)],
)
def test_the_decision(gain, margin, decision):
    assert weigh(correctness((1, 4000), gain)[0], margin).decision == decision


def test_nothing_is_decided_without_rows_and_no_row_ends_the_wealth():
    assert weigh(np.empty(0)).decision == WAIT
    assert np.isfinite(log_wealth(np.full(1000, -1.0))).all()


def test_a_loss_counts_up_to_the_largest():
    gains = bounded_gains(np.array([0.0, 5.0, 1e9]), np.array([1e9, 1.0, 0.0]), 10.0)
    assert gains.tolist() == [-1.0, 0.4, 1.0]
