"""How numeric columns are scaled: fitted by scikit-learn, frozen to numbers.

An entry of SCALERS takes train values (B, F) float64 without gaps and returns an `Affine`. To add
one: write the function, add one line. The frozen form needs no scikit-learn to be applied, which
is what makes a prediction start fast.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Affine:
    """z = (x - center) / scale for each column; with `clip`, then z / sqrt(1 + (z / 3)^2).

    Source of the smooth clip: Holzmüller et al., Better by Default (2024), section 3.
    """

    center: tuple[float, ...]
    scale: tuple[float, ...]
    clip: bool = False

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""
        z = (x - np.asarray(self.center)) / np.asarray(self.scale)
        return z / np.sqrt(1 + np.square(z / 3)) if self.clip else z

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F); with `clip`, exact for values that `apply` can give: |z| < 3."""
        if self.clip:
            z = z / np.sqrt(1 - np.square(z / 3))
        return z * np.asarray(self.scale) + np.asarray(self.center)


def _affine(center: Any, scale: Any, clip: bool = False) -> Affine:
    return Affine(tuple(map(float, center)), tuple(map(float, scale)), clip)


def standard(x: Matrix) -> Affine:
    """Mean 0, standard deviation 1. Source: sklearn.preprocessing.StandardScaler."""
    from sklearn.preprocessing import StandardScaler

    fitted = StandardScaler().fit(x)
    return _affine(fitted.mean_, fitted.scale_)


def minmax(x: Matrix) -> Affine:
    """Train values fill [0, 1]. Source: sklearn.preprocessing.MinMaxScaler."""
    from sklearn.preprocessing import MinMaxScaler

    fitted = MinMaxScaler().fit(x)
    return _affine(fitted.data_min_, 1 / fitted.scale_)


def maxabs(x: Matrix) -> Affine:
    """The largest absolute train value becomes 1. Source: sklearn.preprocessing.MaxAbsScaler."""
    from sklearn.preprocessing import MaxAbsScaler

    fitted = MaxAbsScaler().fit(x)
    return _affine(np.zeros(x.shape[1]), fitted.scale_)


def robust(x: Matrix) -> Affine:
    """Median 0, interquartile range 1. Source: sklearn.preprocessing.RobustScaler."""
    from sklearn.preprocessing import RobustScaler

    fitted = RobustScaler().fit(x)
    return _affine(fitted.center_, fitted.scale_)


def robust_clip(x: Matrix) -> Affine:
    """`robust`, then a smooth clip to (-3, 3): outliers keep their order and lose their pull."""
    return dataclasses.replace(robust(x), clip=True)


def none(x: Matrix) -> Affine:
    """Values as they are."""
    return _affine(np.zeros(x.shape[1]), np.ones(x.shape[1]))


SCALERS: dict[str, Callable[[Matrix], Affine]] = {
    "standard": standard,
    "minmax": minmax,
    "maxabs": maxabs,
    "robust": robust,
    "robust_clip": robust_clip,
    "none": none,
}
