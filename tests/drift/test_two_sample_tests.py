"""P-values are those of SciPy or of chance, and many of them are adjusted."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from layerline.drift.column_counts import ColumnCounts
from layerline.drift.drift_check import findings
from layerline.drift.two_sample_tests import (
    adjust,
    chi_squared,
    kolmogorov_smirnov,
    missing,
    outside,
    pool_rare,
    population_stability,
    unseen,
)
from layerline.model.column_sketch import sketch


def numbers(before: np.ndarray, now: np.ndarray) -> ColumnCounts:
    counts = ColumnCounts(sketch(pd.Series(before), is_level=False))
    counts.add(pd.Series(now))
    return counts


@pytest.mark.parametrize("n_rows", [12, 300, 4000])
def test_the_binned_test_is_close_to_that_of_whole_samples(n_rows):
    generator = np.random.default_rng(0)
    before, now = generator.normal(size=3000), generator.normal(0.4, 1, n_rows)
    found = kolmogorov_smirnov(*numbers(before, now).both())
    whole = stats.ks_2samp(before, now)
    assert found.effect == pytest.approx(whole.statistic, abs=0.04)
    assert found.effect <= whole.statistic + 1e-12
    assert np.log(found.p_value) == pytest.approx(np.log(whole.pvalue), rel=0.25, abs=0.5)


def test_chi_squared_is_that_of_scipy():
    before, now = np.array([500, 300, 200]), np.array([60, 25, 15])
    found = chi_squared(before, now)
    assert found.p_value == pytest.approx(stats.chi2_contingency([before, now])[1])
    assert found.effect == pytest.approx(0.1)


def test_few_rows_are_exchanged_as_fishers_test_counts():
    found = missing([0, 40], [3, 9])
    table = [[0, 40], [3, 9]]
    assert found.p_value == pytest.approx(stats.fisher_exact(table).pvalue, abs=0.006)
    assert found.effect == pytest.approx(0.25)


def test_rare_levels_are_taken_together_with_those_without_a_cell():
    before, now = np.array([1000, *[2] * 50, 0]), np.array([100, *[0] * 50, 9])
    assert [part.tolist() for part in pool_rare(before, now)] == [[1000, 100], [100, 9]]
    assert chi_squared(*pool_rare(before, now)).p_value > 0.5
    assert chi_squared(np.array([10, 0]), np.array([4, 0])).p_value == 1.0


def test_many_levels_of_one_source_do_not_drift():
    generator = np.random.default_rng(2)
    found = []
    for _ in range(40):
        drawn = [pd.Series(generator.zipf(1.5, n) % 2000).map(str) for n in (3000, 1000)]
        counts = ColumnCounts(sketch(drawn[0], is_level=True))
        counts.add(drawn[1])
        found.append(min(finding.p_value for finding in findings(counts)))
    assert np.mean(np.array(found) < 0.025) <= 0.125


def test_rows_beyond_the_range_are_counted_out():
    # Of 3 + 1 rows each is the largest with the same chance; both sides are looked at.
    assert outside(3, 1, 0, 1).p_value == pytest.approx(2 / 4)
    assert outside(3, 1, 0, 0).p_value == 1.0
    assert outside(1000, 1000, 0, 20).p_value < 1e-5


def test_as_many_unseen_levels_are_expected_as_levels_with_one_row():
    assert unseen(1000, 100, 100, 10).p_value == 1.0
    assert unseen(1000, 100, 100, 30).p_value < 0.001
    assert unseen(1000, 0, 100, 5).effect == pytest.approx(0.05)


def test_adjusted_p_values_are_those_of_scipy():
    values = np.random.default_rng(0).random(40) ** 3
    assert adjust(values) == pytest.approx(stats.false_discovery_control(values))
    assert len(adjust([])) == 0


@pytest.mark.parametrize("draw", ["normal", "integers"])
def test_p_values_of_rows_without_drift_are_rarely_small(draw):
    generator = np.random.default_rng(1)
    draws = {
        "normal": lambda size: generator.normal(size=size),
        "integers": lambda size: generator.integers(0, 6, size).astype(float),
    }
    found = [
        kolmogorov_smirnov(*numbers(draws[draw](400), draws[draw](60)).both()).p_value
        for _ in range(300)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.08


def test_stability_is_zero_for_equal_shares():
    assert population_stability(np.array([10, 30]), np.array([100, 300])) == pytest.approx(0)
    assert population_stability(np.array([50, 50]), np.array([90, 10])) > 0.25
