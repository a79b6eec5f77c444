"""Learning rate schedules: pure functions of progress.

A builder returns `factor(progress)`, with progress from 0 (before the first step) to 1 (after the
last), and the factor multiplies the base learning rate. To add one: a builder, a line in SCHEDULES.
"""

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

Schedule = Callable[[float], float]
Warmup = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def constant(*, warmup: Warmup = 0.0) -> Schedule:
    """The base rate throughout, after a linear warm-up over the share `warmup` of the steps."""
    return _with_warmup(lambda progress: 1.0, warmup)


def cosine(*, warmup: Warmup = 0.0, final: Share = 0.0) -> Schedule:
    """Half a cosine from the base rate down to `final` times the base rate.

    Source: Loshchilov and Hutter, SGDR (2017), without restarts.
    """

    def factor(progress: float) -> float:
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return _with_warmup(factor, warmup)


def _with_warmup(schedule: Schedule, warmup: float) -> Schedule:
    def factor(progress: float) -> float:
        if progress < warmup:
            return progress / warmup
        return schedule((progress - warmup) / (1 - warmup))

    return factor


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "cosine": cosine,
}
