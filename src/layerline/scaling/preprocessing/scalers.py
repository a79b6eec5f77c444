"""How numeric columns are scaled: fitted by scikit-learn, frozen to numbers.

An entry of SCALERS takes train values (B, F) float64 without gaps and its own options, and returns
a `Transform`. To add one: write the function, add one line. The frozen form needs no scikit-learn
to be applied, which is what makes a prediction start fast.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from layerline.scaling.preprocessing.transforms import Affine, Matrix, Power, Quantile, Transform


def _affine(center: Any, scale: Any) -> Affine:
    return Affine(tuple(map(float, center)), tuple(map(float, scale)))


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


def quantile(
    x: Matrix,
    *,
    output: Literal["normal", "uniform"] = "normal",
    quantiles: Annotated[int, Field(ge=2, le=10_000)] = 1000,
) -> Quantile:
    """By rank: normally distributed, or uniform in [0, 1].

    Source: sklearn.preprocessing.QuantileTransformer, with all train rows.
    """
    from sklearn.preprocessing import QuantileTransformer

    n_quantiles = min(quantiles, len(x))
    fitted = QuantileTransformer(
        n_quantiles=n_quantiles, output_distribution=output, subsample=None
    ).fit(x)
    return Quantile(tuple(map(tuple, fitted.quantiles_.T.tolist())), output)


def power(x: Matrix) -> Power:
    """As near to normal as a power brings it. Source: sklearn.preprocessing.PowerTransformer."""
    from sklearn.preprocessing import PowerTransformer, StandardScaler

    fitted = PowerTransformer(standardize=False).fit(x)
    plain = Power(tuple(fitted.lambdas_.tolist()), (0.0,) * x.shape[1], (1.0,) * x.shape[1])
    scaler = StandardScaler().fit(plain.apply(x))
    return dataclasses.replace(
        plain, center=tuple(scaler.mean_.tolist()), scale=tuple(scaler.scale_.tolist())
    )


def none(x: Matrix) -> Affine:
    """Values as they are."""
    return _affine(np.zeros(x.shape[1]), np.ones(x.shape[1]))


SCALERS: dict[str, Callable[..., Transform]] = {
    "standard": standard,
    "minmax": minmax,
    "maxabs": maxabs,
    "robust": robust,
    "robust_clip": robust_clip,
    "quantile": quantile,
    "power": power,
    "none": none,
}
