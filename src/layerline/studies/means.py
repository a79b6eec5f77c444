"""Means over seeds with their intervals."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean over seeds and half of its 95 % interval by Student's t (NaN for one seed)."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{self.mean:.4f}" + ("" if math.isnan(self.half) else f" ± {self.half:.4f}")

    def to_json(self) -> dict[str, float | None]:
        return {"mean": self.mean, "half": None if math.isnan(self.half) else self.half}

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return abs(self.mean) > self.half


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of a few values, assumed to be normally distributed.

    >>> str(mean_of([1.0, 2.0, 3.0]))
    '2.0000 ± 2.4841'
    """
    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return Mean(float(found.mean()), math.nan)
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(found) - 1))
    return Mean(float(found.mean()), t * float(found.std(ddof=1)) / math.sqrt(len(found)))
