"""Metrics of the user's own, by their import paths: `evaluate.metrics: [mine.metrics:cost]`.

A function (y_true, y_pred) -> float. Both are (B,) arrays: labels, as the data have them, or
numbers in the target's unit. Its name is the metric's. It has no interval, and knows no weights.
"""

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from layerline.evaluation.metrics import METRICS
from layerline.evaluation.predictions import Predictions
from layerline.own_code import calling, find_function, problem

_WHERE = "evaluate.metrics"
_FORM = "def NAME(y_true, y_pred) -> float"


def find_metric(name: str) -> Callable[[], Callable[[Any, Any], float]]:
    """What gives the function of an import path; it takes no options.

    Raises:
        ParamsError: there is no such file or function, it takes other arguments, or its name is
            that of a metric of ours.
    """
    function = find_function(name, _WHERE, ("y_true", "y_pred"), _FORM)
    if metric_name(name) in METRICS:
        message = f"{metric_name(name)} is a metric of Layerline's; rename the function"
        raise problem(name, _WHERE, message)
    return lambda: function


def metric_name(name: str) -> str:
    """What a metric of the user's own is called in reports."""
    return name.partition(":")[2]


def measure_own(
    names: Sequence[str], split: str, predictions: Predictions, classes: Sequence[Any] | None
) -> dict[str, float]:
    """The user's own metrics of one split.

    Raises:
        ParamsError: one of them raises, or gives no finite number.
    """
    found = {}
    for name in names:
        function = find_metric(name)()
        with calling(name, _WHERE, f"cannot be computed on the {split} rows"):
            value = function(
                _shown(predictions.actual, classes), _shown(predictions.predicted, classes)
            )
        if not isinstance(value, Real | np.generic | np.ndarray) or np.shape(value) != ():
            message = f"gives {type(value).__name__} for the {split} rows; it must give a number"
            raise problem(name, _WHERE, message)
        if not math.isfinite(value):
            message = f"gives {float(value)} for the {split} rows; it must give a finite number"
            raise problem(name, _WHERE, message)
        found[metric_name(name)] = float(value)
    return found


def _shown(values: Any, classes: Sequence[Any] | None) -> Any:
    """Indices of classes as labels; a copy, which the user's function may change."""
    return values.copy() if classes is None else np.asarray(classes)[values.astype(np.int64)]
