"""Learning rate schedules: the factor of the base learning rate, by the progress of training.

A builder returns `factor(progress)`, with progress from 0 (before the first step) to 1 (after the
last). Most are pure; `reduce_on_plateau` also watches the validation (see Adaptive). To add one: a
builder, a line in SCHEDULES.

    constant   ████████████████    one_cycle  ▁▃▅▇███▇▇▅▄▃▂▁▁▁
    step       ████████▁▁▁▁▁▁▁▁    coslog4    █▅▅▁▇▇▃▁▂▆██▆▄▂▁
    cosine     ████▇▆▆▅▄▃▃▂▁▁▁▁    exponential  ▇▆▄▃▃▂▂▁▁▁▁▁▁▁▁▁
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import Field

from layerline.config import TrainSection
from layerline.lookup import pick, read_options

Schedule = Callable[[float], float]
Warmup = Annotated[
    float, Field(ge=0, lt=1, description="The share of the steps in which the rate rises from 0.")
]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1)]


@runtime_checkable
class Adaptive(Protocol):
    """A schedule that observes the monitored value after each epoch, and can be resumed."""

    def __call__(self, progress: float) -> float: ...

    def observe(self, value: float) -> None:
        """The monitored validation value after an epoch; lower is better."""

    def state(self) -> dict[str, Any]:
        """All it remembers, ready for JSON."""

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a `state()`."""


def constant(*, warmup: Warmup = 0.0) -> Schedule:
    """The base rate throughout, after a linear warm-up over the share `warmup` of the steps."""
    return _with_warmup(lambda progress: 1.0, warmup)


def step(
    *,
    at: tuple[Share, ...] = (0.5, 0.75),
    factor: Positive = 0.1,
    warmup: Warmup = 0.0,
) -> Schedule:
    """Multiply the rate by `factor` at each share of the training in `at`.

    Options:
        at: shares of the training at each of which the rate falls.
        factor: what the rate is multiplied by.

    Source: He et al., Deep Residual Learning (2016), section 4.2.

    >>> [step()(progress) for progress in (0.0, 0.5)]
    [1.0, 0.1]
    """
    return _with_warmup(lambda progress: factor ** sum(progress >= mark for mark in at), warmup)


def exponential(*, final: Positive = 0.01, warmup: Warmup = 0.0) -> Schedule:
    """Fall by the same ratio each step, down to `final` times the base rate.

    Options:
        final: the last rate, as a share of the base rate.

    >>> exponential(final=0.01)(0.5)
    0.1
    """
    return _with_warmup(lambda progress: final**progress, warmup)


def cosine(*, warmup: Warmup = 0.0, final: Share = 0.0) -> Schedule:
    """Half a cosine from the base rate down to `final` times the base rate.

    Options:
        final: the last rate, as a share of the base rate.

    Source: Loshchilov and Hutter, SGDR (2017), without restarts.
    """
    return _with_warmup(lambda progress: _ease(1.0, final, progress), warmup)


def one_cycle(
    *,
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3,
    start: Share = 0.04,
    final: Share = 4e-6,
) -> Schedule:
    """Half a cosine from `start` up to the base rate over the share `rise`, one down to `final`.

    The warm-up is in it. Source: Smith and Topin, Super-Convergence (2018); the shape and the
    numbers of torch.optim.lr_scheduler.OneCycleLR, the momentum stays as it is.

    Options:
        rise: the share of the steps in which the rate rises.
        start: the first rate, as a share of the base rate.
        final: the last rate, as a share of the base rate.
    """

    def factor(progress: float) -> float:
        if progress < rise:
            return _ease(start, 1.0, progress / rise)
        return _ease(1.0, final, (progress - rise) / (1 - rise))

    return factor


def coslog4() -> Schedule:
    """Four cosine waves from zero to the base rate and back, each twice as long as the last.

    The warm-up is in it. Source: Holzmüller et al., Better by Default (2024), for RealMLP.

    >>> [round(coslog4()(progress), 3) for progress in (0.0, 1 / 15, 3 / 15, 1.0)]
    [0.0, 0.0, 0.0, 0.0]
    """
    return lambda progress: (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2


class ReduceOnPlateau:
    """Multiply the rate by `factor` when the monitored value was no better for a while.

    Better means lower than the best by more than `min_delta`; the count restarts after each
    reduction. Source: torch.optim.lr_scheduler.ReduceLROnPlateau with an absolute threshold.

    Options:
        factor: what the rate is multiplied by.
        patience_epochs: epochs without a better value.
        min_delta: how much better a value must be to count.
        final: the least rate, as a share of the base rate.
    """

    def __init__(
        self,
        *,
        factor: Annotated[float, Field(gt=0, lt=1)] = 0.3,
        patience_epochs: Annotated[int, Field(ge=1)] = 10,
        min_delta: Annotated[float, Field(ge=0)] = 0.0,
        final: Share = 1e-3,
        warmup: Warmup = 0.0,
    ) -> None:
        self.factor, self.final = factor, final
        self.patience_epochs, self.min_delta = patience_epochs, min_delta
        self.current = 1.0
        self.best = math.inf
        self.epochs_no_better = 0
        self._warm = _with_warmup(lambda progress: self.current, warmup)

    def __call__(self, progress: float) -> float:
        return self._warm(progress)

    def observe(self, value: float) -> None:
        """Count an epoch; lower the rate when it is the last that patience allows."""
        if value < self.best - self.min_delta:
            self.best, self.epochs_no_better = value, 0
            return
        self.epochs_no_better += 1
        if self.epochs_no_better >= self.patience_epochs:
            self.current = max(self.current * self.factor, self.final)
            self.epochs_no_better = 0

    def state(self) -> dict[str, Any]:
        """All it remembers, ready for JSON."""
        return {
            "current": self.current,
            "best": self.best if math.isfinite(self.best) else None,
            "epochs_no_better": self.epochs_no_better,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a `state()`."""
        self.current = state["current"]
        self.best = math.inf if state["best"] is None else state["best"]
        self.epochs_no_better = state["epochs_no_better"]


@dataclasses.dataclass(frozen=True)
class Cooldown:
    """The end of a training: half a cosine from 1 to 0 over `n_steps`, from the step `first` on.

    It multiplies whatever the schedule gives. Source: Hägele et al., Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations (2024).
    """

    first: int
    n_steps: int

    def __call__(self, step: int) -> float:
        """The factor of a step, counted in the whole training.

        >>> cooldown = Cooldown(first=100, n_steps=2)
        >>> [round(cooldown(step), 3) for step in (100, 101)]
        [0.854, 0.146]
        """
        return _ease(1.0, 0.0, (step + 0.5 - self.first) / self.n_steps)

    def is_over(self, n_steps_taken: int) -> bool:
        """Whether a training that has taken so many steps ends."""
        return n_steps_taken >= self.first + self.n_steps


def _ease(first: float, last: float, progress: float) -> float:
    """Half a cosine from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


def _with_warmup(schedule: Schedule, warmup: float) -> Schedule:
    def factor(progress: float) -> float:
        if progress < warmup:
            return progress / warmup
        return schedule((progress - warmup) / (1 - warmup))

    return factor


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "coslog4": coslog4,
    "reduce_on_plateau": ReduceOnPlateau,
}


def build_schedule(section: TrainSection) -> Schedule:
    """The schedule that `train.schedule` asks for.

    Raises:
        ParamsError: it, or one of its options, is unknown.
    """
    builder = pick(SCHEDULES, section.schedule.name, "train.schedule")
    return builder(**read_options(builder, section.schedule.options, "train.schedule"))
