"""Affine scalers: a centre and a width for each column, perhaps a smooth clip after them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from layerline.scaling.preprocessing.scalers.transform import Matrix

_EPSILON = np.finfo(np.float64).eps


@dataclasses.dataclass(frozen=True)
class Affine:
    """z = (x - center) / scale for each column; with `clip`, then z / sqrt(1 + (z / 3)^2).

    Source of the smooth clip: Holzmüller et al., Better by Default (2024), section 3.
    """

    kind: ClassVar[str] = "affine"
    center: tuple[float, ...]
    scale: tuple[float, ...]
    clip: bool = False

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""
        z = x - np.asarray(self.center)
        z /= np.asarray(self.scale)
        return z / np.sqrt(1 + np.square(z / 3)) if self.clip else z

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F); with `clip`, exact for values that `apply` can give: |z| < 3."""
        if self.clip:
            z = z / np.sqrt(1 - np.square(z / 3))
        return z * np.asarray(self.scale) + np.asarray(self.center)

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Affine":
        """The inverse of `to_json`."""
        return cls(tuple(state["center"]), tuple(state["scale"]), state["clip"])


def _affine(center: Any, scale: Any) -> Affine:
    return Affine(tuple(map(float, center)), tuple(map(float, scale)))


def standard(x: Matrix) -> Affine:
    """Mean 0, standard deviation 1. Source: sklearn.preprocessing.StandardScaler.

    To the bit; that one takes three times as long, and a second for its import. A column whose
    variance is no more than the rounding of its sums counts as constant (Chan, Golub, LeVeque,
    Algorithms for Computing the Sample Variance, 1983).
    """
    n = len(x)
    mean = x.sum(axis=0) / n
    deviations = x - mean
    correction = deviations.sum(axis=0)
    squares = np.square(deviations, out=deviations).sum(axis=0) - correction**2 / n
    variance = squares / n
    rounding = n * _EPSILON * variance + (n * mean * _EPSILON) ** 2
    return _affine(mean, np.where(variance <= rounding, 1.0, np.sqrt(variance)))


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
