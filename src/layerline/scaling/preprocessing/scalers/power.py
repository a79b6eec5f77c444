"""The scaler `power`: Yeo-Johnson's power, which brings a column near to normal."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from layerline.scaling.preprocessing.scalers.transform import Matrix


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


def power(x: Matrix) -> Power:
    """As near to normal as a power brings it. Source: sklearn.preprocessing.PowerTransformer."""
    from sklearn.preprocessing import PowerTransformer, StandardScaler

    fitted = PowerTransformer(standardize=False).fit(x)
    plain = Power(tuple(fitted.lambdas_.tolist()), (0.0,) * x.shape[1], (1.0,) * x.shape[1])
    scaler = StandardScaler().fit(plain.apply(x))
    return dataclasses.replace(
        plain, center=tuple(scaler.mean_.tolist()), scale=tuple(scaler.scale_.tolist())
    )
