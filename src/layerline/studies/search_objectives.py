"""What a study optimises: a metric of the validation rows, or what a network costs.

To add a cost: a function of `Measured` and a line in COSTS; less is better.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import torch

from layerline.errors import ParamsError, Problem
from layerline.evaluation.metrics import CLASSIFICATION, METRICS, REGRESSION
from layerline.networks.serialization import NetworkSpec

_LATENCY_ROUNDS = 50


class Measured(NamedTuple):
    """One training: its network, its metrics on validation rows, its time."""

    network: Any
    spec: NetworkSpec
    metrics: Mapping[str, float]
    seconds: float


class Objective(NamedTuple):
    """A line of a study's `objective`."""

    name: str
    is_lower_better: bool
    value: Callable[[Measured], float]

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna calls it."""
        return "minimize" if self.is_lower_better else "maximize"


def _parameters(measured: Measured) -> float:
    return float(sum(weight.numel() for weight in measured.network.parameters()))


def _latency_ms(measured: Measured) -> float:
    """Median milliseconds of one row through the network, without its preprocessor."""
    row = torch.zeros(1, *measured.spec.input_shape)
    network, times = measured.network.eval(), []
    with torch.inference_mode():
        for _ in range(_LATENCY_ROUNDS):
            start = time.perf_counter()
            network(row)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


COSTS: Mapping[str, Callable[[Measured], float]] = {
    "seconds": lambda measured: measured.seconds,
    "parameters": _parameters,
    "latency_ms": _latency_ms,
}


def read_objectives(given: str | tuple[str, ...], is_regression: bool) -> list[Objective]:
    """The objectives by name; `auto` is the loss of the task in the user's unit.

    Raises:
        ParamsError: a name is unknown, or looks at test rows.
    """
    names = (given,) if isinstance(given, str) else given
    problems, found = [], {}
    for name in names:
        try:
            objective = _read(name, is_regression)
            found[objective.name] = objective
        except ValueError as error:
            problems.append(Problem("objective", str(error)))
    if problems:
        raise ParamsError(problems, "study")
    return list(found.values())


def _read(name: str, is_regression: bool) -> Objective:
    if name == "auto":
        name = "valid.rmse" if is_regression else "valid.log_loss"
    if name in COSTS:
        return Objective(name, True, COSTS[name])
    split, _, metric = name.partition(".")
    if split == "test":
        raise ValueError(
            f"{name!r} would choose by test rows, which then judge nothing; use 'valid.{metric}'"
        )
    others = CLASSIFICATION if is_regression else REGRESSION
    if split != "valid" or metric not in METRICS or metric in others:
        of_task = [each for each in METRICS if each not in others]
        known = ", ".join([*(f"valid.{each}" for each in of_task), *COSTS])
        if metric in others:
            raise ValueError(
                f"{name!r} is a metric of {'classes' if is_regression else 'numbers'}, which this "
                f"target is not; choose one of: {known}"
            )
        raise ValueError(f"{name!r} is not known; choose one of: {known}")

    def value(measured: Measured) -> float:
        if metric not in measured.metrics:
            has = ", ".join(measured.metrics)
            message = f"the task has no metric {metric!r}; it has {has}"
            raise ParamsError([Problem("objective", message)], "study")
        return measured.metrics[metric]

    return Objective(name, METRICS[metric].lower_is_better, value)
