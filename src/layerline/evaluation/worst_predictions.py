"""The worst predictions: test rows that are confidently wrong, or have the largest errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.evaluation.predictions import Predictions, judged_by
from layerline.evaluation.target_predictions import actual_columns, columns_of

MAX_ROWS = 25


def worst_rows(predictions: Predictions, limit: int = MAX_ROWS) -> NDArray[np.intp]:
    """Positions of the wrong rows, the most confident first; of numbers, of the largest errors.

    Of several targets, of the largest mean loss.
    """
    if predictions.targets:
        losses = predictions.row_losses(judged_by(predictions))
        return np.argsort(-losses, kind="stable")[:limit]
    if predictions.probabilities is None:
        return np.argsort(-np.abs(predictions.row_losses("mae")), kind="stable")[:limit]
    wrong = np.flatnonzero(predictions.actual != predictions.predicted)
    confidence = predictions.probabilities[wrong, predictions.predicted[wrong].astype(np.int64)]
    return wrong[np.argsort(-confidence, kind="stable")][:limit]


def tabulate_worst(
    predictions: Predictions,
    chosen: NDArray[np.intp],
    classes: Sequence[Any] | None,
    rows: NDArray[np.int64],
    raw: pd.DataFrame,
) -> pd.DataFrame:
    """The chosen rows: position, truth, prediction, and the raw columns.

    Args:
        predictions: of the test rows.
        chosen: from `worst_rows`.
        classes: the labels, or None for numbers.
        rows: (B,) positions in data/validated.
        raw: the raw test rows.
    """
    part = predictions.take(chosen)
    table = pd.DataFrame({"row": rows[chosen] + 1})
    if part.targets:
        table = table.assign(**actual_columns(part), **columns_of(part))
    elif classes is None or part.probabilities is None:
        table["actual"], table["predicted"] = part.actual, part.predicted
        table["error"] = part.predicted - part.actual
    else:
        names = pd.Series(classes, dtype=object)
        table["actual"] = names[part.actual.astype(np.int64)].to_numpy()
        table["predicted"] = names[part.predicted.astype(np.int64)].to_numpy()
        table["probability"] = part.probabilities[
            np.arange(len(chosen)), part.predicted.astype(np.int64)
        ]
    shown = raw.iloc[chosen].reset_index(drop=True)
    taken = [name for name in shown.columns if name in table.columns]
    shown = shown.rename(columns={name: f"{name} (column)" for name in taken})
    return pd.concat([table, shown], axis=1)
