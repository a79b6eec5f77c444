"""Predictions of several targets: of the network's outputs (B, T), and as columns of a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.evaluation.predictions import UNKNOWN, Floats, Predictions
from layerline.tables.targets import TargetColumn, units
from layerline.text import listing

if TYPE_CHECKING:  # it imports torch
    from layerline.training.objectives.links import Link

PREDICTION, PROBABILITY, ACTUAL = "prediction_", "probability_", "actual_"


def decide_targets(
    outputs: NDArray[np.float32],
    link: "Link",
    targets: Sequence[TargetColumn],
    actual: Floats = UNKNOWN,  # type: ignore[assignment]
) -> Predictions:
    """Outputs (B, T) -> predictions; a label is its second level from a probability of 0.5 on."""
    numbers = link.numbers(outputs, *units(targets))
    if targets[0].levels is None:
        return Predictions(actual, numbers, targets=tuple(targets))
    chosen = (numbers >= 0.5).astype(np.int64)
    return Predictions(actual, chosen, numbers, targets=tuple(targets))


def true_targets(y: NDArray[np.float32], targets: Sequence[TargetColumn]) -> NDArray[Any]:
    """What the network learnt from (B, T) -> numbers in the user's unit, or indices of levels."""
    if targets[0].levels is not None:
        return y.astype(np.int64)
    center, scale = units(targets)
    return y.astype(np.float64) * scale + center


def target_columns(targets: Sequence[TargetColumn]) -> dict[str, type]:
    """The columns of predictions, with the type of each; `object` of a label.

    >>> list(target_columns([TargetColumn("price"), TargetColumn("rent")]))
    ['prediction_price', 'prediction_rent']
    """
    is_label = targets[0].levels is not None
    names: dict[str, type] = dict.fromkeys(
        [f"{PREDICTION}{t.name}" for t in targets], object if is_label else float
    )
    shares = [f"{PROBABILITY}{t.name}" for t in targets] if is_label else []
    return names | dict.fromkeys(shares, float)


def scales_of(targets: Sequence[TargetColumn]) -> dict[str, float]:
    """One standardised unit of each column of predictions, 1 of a probability; {} of one target."""
    if not targets:
        return {}
    return {**dict.fromkeys(target_columns(targets), 1.0)} | {
        f"{PREDICTION}{t.name}": t.scale for t in targets
    }


def columns_of(predictions: Predictions) -> dict[str, NDArray[Any]]:
    """The predictions, `prediction_<target>` each; of labels also `probability_<target>` each."""
    found = predictions
    columns = _as_users_have(found.predicted, found.targets)
    if found.probabilities is not None:
        columns += list(found.probabilities.T)
    return dict(zip(target_columns(found.targets), columns, strict=True))


def actual_columns(predictions: Predictions) -> dict[str, NDArray[Any]]:
    """The true values as `actual_<target>`."""
    values = _as_users_have(predictions.actual, predictions.targets)
    names = (f"{ACTUAL}{t.name}" for t in predictions.targets)
    return dict(zip(names, values, strict=True))


def join_targets(
    table: pd.DataFrame, actual: NDArray[Any], targets: Sequence[TargetColumn]
) -> Predictions:
    """A model's predictions, as it tabulated them, with the true values (B, T).

    Raises:
        DataError: the model predicts other targets.
    """
    names = target_columns(targets)
    if list(names) != [str(name) for name in table.columns]:
        raise DataError(f"it predicts {listing(list(table.columns))}, now {listing(list(names))}")
    if targets[0].levels is None:
        predicted = table.to_numpy(dtype=np.float64)
        return Predictions(actual, predicted, targets=tuple(targets))
    shares = table.iloc[:, len(targets) :].to_numpy(dtype=np.float64)
    chosen = np.stack(
        [
            table[f"{PREDICTION}{t.name}"].astype(str) == str((t.levels or ("", ""))[1])
            for t in targets
        ],
        axis=1,
    )
    return Predictions(actual, chosen.astype(np.int64), shares, targets=tuple(targets))


def _as_users_have(values: NDArray[Any], targets: Sequence[TargetColumn]) -> list[NDArray[Any]]:
    """(B, T) -> (B,) of each target, labels by their levels."""
    return [
        column if target.levels is None else np.asarray(target.levels)[column.astype(np.int64)]
        for column, target in zip(values.T, targets, strict=True)
    ]
