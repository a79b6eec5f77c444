"""What a fitted scaler is once it is frozen: plain numbers, and simple arithmetic column by column.

A transform maps (B, F) float64 without gaps to (B, F) and back. Its state is JSON, in which `kind`
names it: numpy applies it, and any other runtime could. To add one: a class here, a line in KINDS.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from layerline.scaling.preprocessing.normal_quantiles import normal_quantiles, normal_shares

Matrix = NDArray[np.float64]
# No value is further out than this share of the rows: ±5.2 standard deviations.
OUTERMOST_SHARE = 1e-7 - np.spacing(1.0)


class Transform(Protocol):
    """Scales each column on its own."""

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F), back in the user's unit."""

    def to_json(self) -> dict[str, Any]:
        """Its whole state, with `kind`."""


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


@dataclasses.dataclass(frozen=True)
class Quantile:
    """The share of train rows below x, between Q quantiles of each column, in a straight line.

    With `output: normal`, then that share's normal quantile, at most ±5.2; a column that was
    constant gives the middle. Where neighbouring quantiles are equal, x stands in their middle.

    Source: sklearn.preprocessing.QuantileTransformer.
    """

    kind: ClassVar[str] = "quantile"
    quantiles: tuple[tuple[float, ...], ...]  # Q rising values a column
    output: str = "normal"  # or uniform

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""
        shares = np.empty_like(x)
        for place, column in enumerate(self.quantiles):
            shares[:, place] = _shares(x[:, place], np.asarray(column))
        if self.output == "uniform":
            return shares
        return normal_quantiles(np.clip(shares, OUTERMOST_SHARE, 1 - OUTERMOST_SHARE))

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F); exact for values between a column's smallest and largest quantile."""
        shares = z
        if self.output == "normal":
            shares = normal_shares(z)
            shares = np.where(shares < 1e-7, 0.0, np.where(shares > 1 - 1e-7, 1.0, shares))
        x = np.empty_like(z)
        for place, column in enumerate(self.quantiles):
            x[:, place] = np.interp(shares[:, place], np.linspace(0, 1, len(column)), column)
        return x

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Quantile":
        """The inverse of `to_json`."""
        return cls(tuple(tuple(column) for column in state["quantiles"]), state["output"])


def _shares(x: Matrix, quantiles: Matrix) -> Matrix:
    """(B,) -> (B,) from 0 to 1."""
    references = np.linspace(0, 1, len(quantiles))
    # From both sides, so that among equal quantiles x gets the middle one's share.
    below = np.interp(x, quantiles, references)
    above = np.interp(-x, -quantiles[::-1], -references[::-1])
    share = 0.5 * (below - above)
    low, high = quantiles[0], quantiles[-1]
    share = np.where(x <= low, 0.0, np.where(x >= high, 1.0, share))
    return np.where(x == high, 0.5, share) if low == high else share


@dataclasses.dataclass(frozen=True)
class Power:
    """Yeo-Johnson's power of each column, then z = (y - center) / scale.

    Source: Yeo and Johnson, A new family of power transformations (2000);
    sklearn.preprocessing.PowerTransformer.
    """

    kind: ClassVar[str] = "power"
    power: tuple[float, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""
        power = np.broadcast_to(np.asarray(self.power), x.shape)
        above, below = np.maximum(x, 0), np.maximum(-x, 0)
        y = np.where(x >= 0, _box_cox(above, power), -_box_cox(below, 2 - power))
        return (y - np.asarray(self.center)) / np.asarray(self.scale)

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F); values that no x gives become the nearest that one does."""
        y = z * np.asarray(self.scale) + np.asarray(self.center)
        power = np.broadcast_to(np.asarray(self.power), y.shape)
        above, below = np.maximum(y, 0), np.maximum(-y, 0)
        return np.where(y >= 0, _undo_box_cox(above, power), -_undo_box_cox(below, 2 - power))

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Power":
        """The inverse of `to_json`."""
        return cls(*(tuple(state[key]) for key in ("power", "center", "scale")))


_NO_POWER = 1e-12  # the limit of ((x + 1)^p - 1) / p at p = 0 is log(x + 1)


def _box_cox(x: Matrix, power: Matrix) -> Matrix:
    """((x + 1)^power - 1) / power for x >= 0."""
    logs = np.log1p(x)
    safe = np.where(np.abs(power) < _NO_POWER, 1.0, power)
    return np.where(np.abs(power) < _NO_POWER, logs, np.expm1(np.minimum(logs * safe, 700)) / safe)


def _undo_box_cox(y: Matrix, power: Matrix) -> Matrix:
    safe = np.where(np.abs(power) < _NO_POWER, 1.0, power)
    inner = np.maximum(y * safe, np.nextafter(-1, 0))
    logs = np.where(np.abs(power) < _NO_POWER, y, np.log1p(inner) / safe)
    return np.expm1(np.minimum(logs, 700))


KINDS: dict[str, Any] = {kind.kind: kind for kind in (Affine, Quantile, Power)}


def read_transform(state: Mapping[str, Any]) -> Transform:
    """The transform that `to_json` told of; older states are all affine and have no `kind`."""
    transform: Transform = KINDS[state.get("kind", Affine.kind)].from_json(state)
    return transform
