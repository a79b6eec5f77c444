"""Tests of whether two samples come from one distribution, on counts; each with an effect.

Every effect is a share of rows, so that one number says what matters: of `distribution` the rows
that would have to move, of `missing` the change of the share of gaps, of `unseen` and `outside` the
rows with a level or a number that training did not have.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

# Relative to `min_effect`: a gap or an unknown value says more than a shift of the same rows.
CLASSIFIER = "classifier"
LEAST_EFFECT: Mapping[str, float] = {
    CLASSIFIER: 1.0,
    "kolmogorov-smirnov": 1.0,
    "chi-squared": 1.0,
    "missing": 0.5,
    "unseen": 0.2,
    "outside": 0.2,
}
PERMUTATIONS = 9_999
_LEAST_EXPECTED = 5.0  # Cochran's rule for chi-squared
_EXACT_ROWS = 1000
_PSI_FLOOR = 0.5  # rows: an empty bin is a small one


class Finding(NamedTuple):
    """The outcome of one test of one column."""

    test: str
    p_value: float
    effect: float


def kolmogorov_smirnov(before: Counts, now: Counts) -> Finding:
    """Two samples counted in the same intervals (P,): the largest gap between their shares.

    Between the ends of intervals the gap may be larger, so the p-value is conservative, as with
    ties.

    Source: Smirnov, Estimate of deviation between empirical distribution functions (1939); for few
    rows Birnbaum and Tingey, One-sided confidence contours (1951), doubled.
    """
    from scipy.special import kolmogorov, smirnov  # not at the top: few commands need them

    n_before, n_now = int(before.sum()), int(now.sum())
    effect = float(np.abs(np.cumsum(before) / n_before - np.cumsum(now) / n_now).max())
    n = n_before * n_now / (n_before + n_now)
    p_value = kolmogorov(n**0.5 * effect) if n > _EXACT_ROWS else 2 * smirnov(int(n), effect)
    return Finding("kolmogorov-smirnov", min(1.0, float(p_value)), effect)


def chi_squared(before: Counts, now: Counts, test: str = "chi-squared") -> Finding:
    """Two samples counted in the same cells (L,): the share of rows that changed their cell.

    Where fewer than five rows are expected in a cell, the p-value is that of PERMUTATIONS exchanges
    of rows.
    """
    cells = np.stack([before, now])
    cells = cells[:, cells.sum(axis=0) > 0]
    shares = cells / cells.sum(axis=1, keepdims=True)
    effect = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if cells.shape[1] < 2:
        return Finding(test, 1.0, effect)
    p_value = _permuted(cells) if _expected(cells).min() < _LEAST_EXPECTED else _asymptotic(cells)
    return Finding(test, p_value, effect)


def pool_rare(before: Counts, now: Counts) -> tuple[Counts, Counts]:
    """Counts by level (L,), the last of all levels that have no cell: the rare ones join it.

    Rare is a level of which fewer than five rows are expected in one of the samples. That depends
    on its rows in both together, so levels that only one of the samples has are treated alike.
    """
    cells = np.stack([before, now])
    is_rare = _expected(cells).min(axis=0) < _LEAST_EXPECTED
    is_rare[-1] = True
    pooled = np.column_stack([cells[:, ~is_rare], cells[:, is_rare].sum(axis=1)])
    return pooled[0], pooled[1]


def _expected(cells: Counts) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / cells.sum()
    return total


def _statistic(now: Counts, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chi-squared without its factor, which is the same whatever the second row is."""
    found: NDArray[np.float64] = (np.square(now - expected) / expected).sum(axis=-1)
    return found


def _asymptotic(cells: Counts) -> float:
    from scipy.special import chdtrc

    expected = _expected(cells)
    value = float((np.square(cells - expected) / expected).sum())
    return float(chdtrc(cells.shape[1] - 1, value))


def _permuted(cells: Counts) -> float:
    """The share of random exchanges of rows between the samples that differ as much."""
    expected = _expected(cells)[1]
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        cells.sum(axis=0), int(cells[1].sum()), size=PERMUTATIONS, method="marginals"
    )
    as_far = _statistic(drawn, expected) >= _statistic(cells[1], expected) * (1 - 1e-9)
    return float((1 + as_far.sum()) / (1 + PERMUTATIONS))


def missing(before: Sequence[int], now: Sequence[int]) -> Finding:
    """The rows with and without a value, of two samples."""
    return chi_squared(np.array(before), np.array(now), "missing")


def outside(n_before: int, n_now: int, n_below: int, n_above: int) -> Finding:
    """New rows beyond the smallest and the largest number of the others.

    That the k largest of all rows are new ones has a chance that can be counted out.
    """
    p_value = 2 * min(_all_new(n_before, n_now, k) for k in (n_below, n_above))
    return Finding("outside", min(1.0, p_value), (n_below + n_above) / n_now)


def _all_new(n_before: int, n_now: int, k: int) -> float:
    from scipy.special import gammaln

    log = gammaln(n_now + 1) - gammaln(n_now - k + 1)
    log += gammaln(n_before + n_now - k + 1) - gammaln(n_before + n_now + 1)
    return float(np.exp(log))


def unseen(n_before: int, n_once: int, n_now: int, n_unseen: int) -> Finding:
    """New rows of levels that the others do not have.

    As many are expected as the others have rows of a level of its own.

    Source: Good, The population frequencies of species (1953).
    """
    known = np.array([n_once, n_before - n_once]), np.array([n_unseen, n_now - n_unseen])
    effect = max(0.0, n_unseen / n_now - n_once / n_before)
    p_value = chi_squared(*known).p_value if effect else 1.0
    return Finding("unseen", p_value, effect)


def adjust(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values for the many: of those below a limit, at most this share is there by chance.

    Source: Benjamini and Hochberg, Controlling the false discovery rate (1995).

    >>> adjust([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def population_stability(before: Counts, now: Counts) -> float:
    """The population stability index of two samples counted alike (L,): 0 for equal shares.

    Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    used = (before + now) > 0
    shares = [np.maximum(counts[used], _PSI_FLOOR) / counts.sum() for counts in (before, now)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
