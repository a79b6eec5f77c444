"""The distribution of a target: what a model was trained on, and how far today's is from it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerline.text import readable

_QUANTILES = (0.05, 0.5, 0.95)
MAX_MOVE = 0.5  # of the median, in widths between the outer quantiles
MAX_RATIO = 2.0  # of the widths, either way
MAX_MOVED_SHARE = 0.25  # of all rows, from some classes to others
MIN_ROWS = 50  # fewer rows vary that much by chance


@dataclasses.dataclass(frozen=True)
class TargetProfile:
    """Of numbers `quantiles`, 5 %, 50 % and 95 %; of classes `shares` by label."""

    n_rows: int
    quantiles: tuple[float, ...] = ()
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, target: pd.Series, classes: Sequence[Any] | None) -> "TargetProfile":
        """The profile of a target column without missing values."""
        if classes is None:
            numbers = target.to_numpy(dtype=np.float64)
            return cls(len(numbers), tuple(map(float, np.quantile(numbers, _QUANTILES))))
        counts = target.astype(object).map(str).value_counts()
        shares = {str(label): int(counts.get(str(label), 0)) / len(target) for label in classes}
        return cls(len(target), shares=shares)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**dataclasses.asdict(self), "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any] | None) -> "TargetProfile | None":
        """The inverse of `to_json`; None where nothing was recorded."""
        return None if state is None else cls(**{**state, "quantiles": tuple(state["quantiles"])})

    def shift_from(self, earlier: "TargetProfile") -> str:
        """How this profile has moved away from an earlier one; "" when it has not."""
        if min(self.n_rows, earlier.n_rows) < MIN_ROWS:
            return ""
        if self.quantiles and earlier.quantiles:
            return _number_shift(earlier.quantiles, self.quantiles)
        if self.shares and earlier.shares:
            return _class_shift(earlier.shares, self.shares)
        return ""


def _number_shift(before: Sequence[float], now: Sequence[float]) -> str:
    width_before, width_now = before[2] - before[0], now[2] - now[0]
    if not width_before or not width_now:
        return ""
    ratio = width_now / width_before
    has_moved = abs(now[1] - before[1]) > MAX_MOVE * max(width_before, width_now)
    if not has_moved and 1 / MAX_RATIO <= ratio <= MAX_RATIO:
        return ""
    return (
        f"its median is {readable(now[1])}, it was {readable(before[1])}; nine tenths of the rows "
        f"lie from {readable(now[0])} to {readable(now[2])}, they did from {readable(before[0])} "
        f"to {readable(before[2])}"
    )


def _class_shift(before: Mapping[str, float], now: Mapping[str, float]) -> str:
    """Among the classes that both have: a class that comes or goes is declared in the schema."""
    shared = sorted({*before} & {*now})
    old, new = ({name: shares[name] for name in shared} for shares in (before, now))
    n_old, n_new = math.fsum(old.values()), math.fsum(new.values())
    if not n_old or not n_new:
        return ""
    moved = {name: new[name] / n_new - old[name] / n_old for name in shared}
    if math.fsum(map(abs, moved.values())) / 2 <= MAX_MOVED_SHARE:
        return ""
    name = max(shared, key=lambda label: abs(moved[label]))
    return f"class {name!r} is {new[name] / n_new:.0%} of the rows, it was {old[name] / n_old:.0%}"
