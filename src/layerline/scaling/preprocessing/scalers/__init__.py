"""How numeric columns are scaled: fitted by scikit-learn, frozen to numbers.

`build` of a line of SCALERS takes train values (B, F) float64 without gaps and its own options, and
returns a frozen `Transform`. Each file holds a frozen form and what fits it. To add a scaler: a
function and a line in SCALERS; a new frozen form also goes into KINDS. The frozen form needs no
scikit-learn to be applied, which is what makes a prediction start fast.

transform  what a frozen scaler can do
affine     standard, minmax, maxabs, robust, none
quantile   by rank, uniform or normal
power      Yeo-Johnson's power
own_scaler a class in the user's project
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate

from layerline.scaling.preprocessing.scalers.affine import (
    Affine,
    maxabs,
    minmax,
    none,
    robust,
    robust_clip,
    standard,
)
from layerline.scaling.preprocessing.scalers.own_scaler import Own, find_scaler, refuse_own
from layerline.scaling.preprocessing.scalers.power import Power, power
from layerline.scaling.preprocessing.scalers.quantile import Quantile, quantile
from layerline.scaling.preprocessing.scalers.transform import Matrix, Transform

__all__ = [
    "KINDS",
    "SCALERS",
    "Affine",
    "Matrix",
    "Own",
    "Power",
    "Quantile",
    "Scaler",
    "Transform",
]
__all__ += ["find_scaler", "own_line", "read_transform", "refuse_own"]


@dataclass(frozen=True)
class Scaler:
    """A line of the table: train values (B, F) and options -> the frozen transform."""

    build: Callable[Concatenate[Matrix, ...], Transform]


SCALERS: Mapping[str, Scaler] = {
    "standard": Scaler(standard),
    "minmax": Scaler(minmax),
    "maxabs": Scaler(maxabs),
    "robust": Scaler(robust),
    "robust_clip": Scaler(robust_clip),
    "quantile": Scaler(quantile),
    "power": Scaler(power),
    "none": Scaler(none),
}
KINDS: Mapping[str, Any] = {kind.kind: kind for kind in (Affine, Quantile, Power, Own)}


def own_line(name: str) -> Scaler:
    """The line of a scaler of the user's own.

    Raises:
        ParamsError: there is none, or it has no `fit` and `transform`.
    """
    return Scaler(find_scaler(name))


def read_transform(state: Mapping[str, Any]) -> Transform:
    """The inverse of `to_json`; older states are all affine and have no `kind`."""
    transform: Transform = KINDS[state.get("kind", Affine.kind)].from_json(state)
    return transform
