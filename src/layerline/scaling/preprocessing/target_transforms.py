"""Regression targets, frozen: a curve (logarithm or ranks), then standardised; and the way back.

`(curve(y) - center) / scale` is what the network learns. `TargetCurve` is what lies between that
and the user's unit beyond center and scale; most targets have none.

`build` of a line of TARGETS takes the train rows' targets (B,) and its own options, and returns a
`TargetScale`. To add one: a function, and a line in TARGETS; a new curve also in `TargetCurve`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Concatenate, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from layerline.errors import DataError
from layerline.scaling.preprocessing.scalers.quantile import Quantile
from layerline.scaling.preprocessing.scalers.quantile import quantile as fit_quantiles

Floats = NDArray[np.float64]
_LARGEST_LOG = 700.0  # beyond it exp is infinite in float64


Clamp = Annotated[bool, Field(description="Keep predictions within the train rows' range.")]


@dataclasses.dataclass(frozen=True)
class TargetCurve:
    """`name` is none, log (of y + offset) or quantile (normal, by rank).

    `lowest` and `highest`, where given, are the train rows' range: predictions stay in it.
    """

    name: str = "none"
    offset: float = 0.0
    quantiles: tuple[float, ...] = ()
    lowest: float | None = None
    highest: float | None = None

    def apply(self, y: Floats) -> Floats:
        """(B,) in the user's unit -> (B,).

        Raises:
            DataError: a number has no logarithm.
        """
        if self.name == "log":
            wrong = np.flatnonzero(~(y + self.offset > 0))
            if len(wrong):
                raise DataError(
                    f"scale.target: log needs targets above {0 - self.offset:g}, found "
                    f"{y[wrong[0]]:g} ({len(wrong)} values); set `target: {{name: log, offset: "
                    "NUMBER}` with a larger offset, or target: standard"
                )
            return np.log(y + self.offset)
        if self.name == "quantile":
            return Quantile((self.quantiles,)).apply(y.reshape(-1, 1)).reshape(y.shape)
        return y

    def invert(self, t: Floats) -> Floats:
        """The inverse of `apply`, of any shape."""
        if self.name == "log":
            return np.exp(np.minimum(t, _LARGEST_LOG)) - self.offset
        if self.name == "quantile":
            return Quantile((self.quantiles,)).invert(t.reshape(-1, 1)).reshape(t.shape)
        return t

    def restore(self, t: Floats) -> Floats:
        """Predictions in the user's unit: inverted, and kept in the seen range where asked."""
        y = self.invert(t)
        return y if self.lowest is None else np.clip(y, self.lowest, self.highest)

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "TargetCurve":
        """The inverse of `to_json`."""
        return cls(**{**state, "quantiles": tuple(state["quantiles"])})


NO_CURVE = TargetCurve()


def read_curve(state: Mapping[str, Any] | None) -> TargetCurve:
    """The curve of a spec or a manifest; None is none."""
    return NO_CURVE if state is None else TargetCurve.from_json(state)


class TargetScale(NamedTuple):
    """The scale of the targets: `(curve(y) - center) / scale`."""

    center: float
    scale: float
    curve: TargetCurve = NO_CURVE


@dataclasses.dataclass(frozen=True)
class TargetTransform:
    """A line of the table: targets (B,) and options -> the frozen scale."""

    build: Callable[Concatenate[Floats, ...], TargetScale]


def _after(curve: TargetCurve, y: Floats, clamp: bool) -> TargetScale:
    """The curve, then mean 0 and standard deviation 1."""
    curved = curve.apply(y)
    scale = float(curved.std()) or 1.0
    return TargetScale(float(curved.mean()), scale, _clamped(curve, y, clamp))


def _clamped(curve: TargetCurve, y: Floats, clamp: bool) -> TargetCurve:
    if not clamp:
        return curve
    return dataclasses.replace(curve, lowest=float(y.min()), highest=float(y.max()))


def standard(y: Floats, *, clamp: Clamp = False) -> TargetScale:
    """Mean 0, standard deviation 1."""
    return _after(NO_CURVE, y, clamp)


def log(y: Floats, *, offset: float = 0.0, clamp: Clamp = False) -> TargetScale:
    """The logarithm of y + offset, then as `standard`: for prices, durations, sizes.

    A squared error of logarithms aims at the geometric mean, which lies below the mean.

    Options:
        offset: added before the logarithm is taken.
    """
    return _after(TargetCurve("log", offset), y, clamp)


def quantile(
    y: Floats, *, quantiles: Annotated[int, Field(ge=2, le=10_000)] = 1000, clamp: Clamp = False
) -> TargetScale:
    """By rank, normally distributed; predictions never leave the seen range.

    Options:
        quantiles: into how many parts the targets are cut.

    Source: sklearn.preprocessing.QuantileTransformer, with all train rows.
    """
    (values,) = fit_quantiles(y[:, None], quantiles=quantiles).quantiles
    return TargetScale(0.0, 1.0, _clamped(TargetCurve("quantile", quantiles=values), y, clamp))


def none(y: Floats, *, clamp: Clamp = False) -> TargetScale:
    """Numbers as they are."""
    return TargetScale(0.0, 1.0, _clamped(NO_CURVE, y, clamp))


TARGETS: Mapping[str, TargetTransform] = {
    "standard": TargetTransform(standard),
    "log": TargetTransform(log),
    "quantile": TargetTransform(quantile),
    "none": TargetTransform(none),
}
