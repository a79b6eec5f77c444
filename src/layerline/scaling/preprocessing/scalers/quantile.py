"""The scaler `quantile`: the share of train rows below a value, uniform or normal."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from layerline.scaling.preprocessing.normal_quantiles import normal_quantiles, normal_shares
from layerline.scaling.preprocessing.scalers.transform import Matrix

# No value is further out than this share of the rows: ±5.2 standard deviations.
OUTERMOST_SHARE = 1e-7 - np.spacing(1.0)


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


def quantile(
    x: Matrix,
    *,
    output: Literal["normal", "uniform"] = "normal",
    quantiles: Annotated[int, Field(ge=2, le=10_000)] = 1000,
) -> Quantile:
    """By rank: normally distributed, or uniform in [0, 1].

    Options:
        output: the distribution of the result.
        quantiles: into how many parts the values are cut.

    Source: sklearn.preprocessing.QuantileTransformer, with all train rows.
    """
    from sklearn.preprocessing import QuantileTransformer

    n_quantiles = min(quantiles, len(x))
    fitted = QuantileTransformer(
        n_quantiles=n_quantiles, output_distribution=output, subsample=None
    ).fit(x)
    return Quantile(tuple(map(tuple, fitted.quantiles_.T.tolist())), output)
