"""What fills the gaps of numeric columns.

`build` of a line of IMPUTERS takes train values (B, F) with NaN for gaps and its own options, and
returns what fills each column, (F,). To add one: a function, and a line in IMPUTERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Concatenate

import numpy as np
from numpy.typing import NDArray

from layerline.scaling.preprocessing.scalers import Matrix


@dataclass(frozen=True)
class Imputer:
    """A line of the table: train values (B, F) with NaN, and options -> (F,) fills."""

    build: Callable[Concatenate[Matrix, ...], NDArray[np.float64]]


def median(values: Matrix) -> NDArray[np.float64]:
    """The train rows' median, as of sklearn.impute.SimpleImputer, which takes ten times as long."""
    return np.array([np.median(column[~np.isnan(column)]) for column in values.T])


def mean(values: Matrix) -> NDArray[np.float64]:
    """The train rows' mean. Source: sklearn.impute.SimpleImputer."""
    return _simple(values, "mean")


def most_frequent(values: Matrix) -> NDArray[np.float64]:
    """The most frequent value, the smallest of several. Source: sklearn.impute.SimpleImputer."""
    return _simple(values, "most_frequent")


def _simple(values: Matrix, strategy: str) -> NDArray[np.float64]:
    from sklearn.impute import SimpleImputer

    statistics: NDArray[np.float64] = SimpleImputer(strategy=strategy).fit(values).statistics_
    return statistics


def constant(values: Matrix, *, value: float) -> NDArray[np.float64]:
    """A value of the user's choice.

    Options:
        value: what stands for a missing number, in the column's own unit.
    """
    return np.full(values.shape[1], value)


def zero(values: Matrix) -> NDArray[np.float64]:
    """0, in the column's own unit."""
    return constant(values, value=0.0)


IMPUTERS: Mapping[str, Imputer] = {
    "median": Imputer(median),
    "mean": Imputer(mean),
    "most_frequent": Imputer(most_frequent),
    "constant": Imputer(constant),
    "zero": Imputer(zero),
}
