"""Whether one model is better than another, by rows whose truth arrives one by one.

A test that may be looked at after every row: bets on each row's difference multiply a wealth that
starts at 1 and, while the bettor has no true edge, passes 1 / a with probability a at most, however
often one looks (Ville's inequality). The wealth is the mean over several stakes, so that it depends
on the set of rows and not on their order.

Source: Waudby-Smith & Ramdas, Estimating means of bounded random variables by betting (JRSS B
2024), the diversified Kelly bet of section B; Grünwald, de Heide & Koolen, Safe testing (JRSS B
2024).
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Decision = Literal["promote", "keep waiting", "drop"]
PROMOTE: Decision = "promote"
WAIT: Decision = "keep waiting"
DROP: Decision = "drop"

# Small stakes are best for small gains of many rows; at 1/2 no row can take all that was won.
STAKES = 0.5 ** np.arange(1, 7)


class Evidence(NamedTuple):
    """What the rows so far say, and the decision.

    Attributes:
        better: log of the wealth of the bet that the second model is better.
        worse: log of the wealth of the bet that it is worse.
        needed: what either must reach.
    """

    better: float
    worse: float
    needed: float

    @property
    def decision(self) -> Decision:
        if self.better >= self.needed:
            return PROMOTE
        return DROP if self.worse >= self.needed else WAIT


def weigh(gains: Floats, margin: float = 0.0, confidence: float = 0.95) -> Evidence:
    """What all rows say.

    Args:
        gains: (B,) in -1..1, how much lower the second model's loss is.
        margin: the mean gain that is needed for `promote`; below 1.
        confidence: 1 - the probability of a false decision of either kind.
    """
    better, worse = log_wealth(gains - margin), log_wealth(-gains)
    first, second = (float(path[-1]) if len(path) else 0.0 for path in (better, worse))
    return Evidence(first, second, math.log(1 / (1 - confidence)))


def log_wealth(gains: Floats) -> Floats:
    """(..., B) gains above -2 -> (..., B) log of the wealth after each row."""
    paths = [np.log1p(stake * gains).cumsum(axis=-1) for stake in STAKES]
    return np.logaddexp.reduce(paths, axis=0) - math.log(len(STAKES))


def bounded_gains(first: Floats, second: Floats, most: float) -> Floats:
    """Losses of two models on the same rows -> gains of the second in -1..1.

    A loss above `most` counts as `most`, which must be chosen before the rows are seen.
    """
    return (np.clip(first, None, most) - np.clip(second, None, most)) / most
