"""Metrics of the user's own, by their import paths: `evaluate.metrics: [mine.metrics:cost]`.

A function (y_true, y_pred) -> float. Both are (B,) arrays: labels, as the data have them, or
numbers in the target's unit. Its name is the metric's. It knows no weights.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from layerline.config import EvaluateSection
from layerline.evaluation.bootstrap import Interval, bounds, metric_intervals
from layerline.evaluation.metrics import METRICS
from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.resampling import MIN_RESAMPLES, resample
from layerline.own_code import calling, find_function, problem

_WHERE = "evaluate.metrics"
_FORM = "def NAME(y_true, y_pred) -> float"
_MAX_ROWS = 20_000_000  # that one function reads, in all resamples


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


def all_intervals(
    values: Mapping[str, float],
    predictions: Predictions,
    classes: Sequence[Any] | None,
    section: EvaluateSection,
    seed: int,
) -> dict[str, Interval]:
    """The interval of every metric of these rows: the task's, and the user's own.

    Both are of the same resamples. One of the user's own that is undefined on most of them has no
    interval: it raises there, or gives no finite number.

    Args:
        values: of the user's own metrics on all rows, among others.
        predictions: the rows.
        classes: the labels, or None for numbers.
        section: has the metrics, the number of resamples and the confidence.
        seed: of the resamples.
    """
    confidence = section.confidence
    found = metric_intervals(predictions, section.bootstrap, confidence, seed)
    for name, resampled in _resampled(predictions, classes, section, seed).items():
        if np.isnan(resampled).mean() < 0.5:
            n_independent = predictions.n_independent
            found[name] = bounds(values[name], resampled, confidence, n_independent)
    return found


def _resampled(
    predictions: Predictions, classes: Sequence[Any] | None, section: EvaluateSection, seed: int
) -> dict[str, Floats]:
    """The user's own metrics on resamples of the rows, NaN where one is undefined."""
    if not section.bootstrap or not section.metrics:
        return {}
    n_rows = len(predictions.actual)
    n_resamples = min(section.bootstrap, max(MIN_RESAMPLES, _MAX_ROWS // n_rows))
    shown = (_shown(predictions.actual, classes), _shown(predictions.predicted, classes))
    functions = {metric_name(name): find_metric(name)() for name in section.metrics}
    unweighted = dataclasses.replace(predictions, weights=None)
    found: dict[str, list[float]] = {name: [] for name in functions}
    for drawn in resample(unweighted, n_resamples, seed):
        for counts in drawn.weights:
            rows = np.repeat(np.arange(n_rows), counts.astype(np.int64))
            for name, function in functions.items():
                found[name].append(_value_of(function, *(array[rows] for array in shown)))
    return {name: np.array(one) for name, one in found.items()}


def _value_of(function: Callable[[Any, Any], float], y_true: Any, y_pred: Any) -> float:
    """NaN where the function has no value, such as on rows without one of the classes."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = float(function(y_true, y_pred))
    except Exception:  # whatever the user's code raises; on all rows it has a value
        return math.nan
    return value if math.isfinite(value) else math.nan


def _shown(values: Any, classes: Sequence[Any] | None) -> Any:
    """Indices of classes as labels; a copy, which the user's function may change."""
    return values.copy() if classes is None else np.asarray(classes)[values.astype(np.int64)]
