"""Permutation importance: how much worse predictions are when a column is shuffled."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from layerline.evaluation.metrics import measure, table_of
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.resampling import Metric

N_REPEATS = 3
_MAX_PREDICTED = 200_000  # rows predicted in total
_MIN_ROWS = 50


@dataclasses.dataclass(frozen=True)
class Importance:
    """Increase of the metric when a column is shuffled: mean and standard deviation of repeats."""

    column: str
    increase: float
    spread: float


def group_features(
    features: Sequence[str], columns: Sequence[str]
) -> Mapping[str, NDArray[np.intp]]:
    """Positions of the features of each column, its one-hot levels and indicators included.

    Features are named after their column (`soil=clay`, `size is missing`): the longest column name
    that a feature starts with. A feature without a column is its own group.
    """
    by_length = sorted(columns, key=len, reverse=True)
    groups: dict[str, list[int]] = {}
    for position, feature in enumerate(features):
        owner = feature
        if feature not in columns:
            owner = next((name for name in by_length if feature.startswith(name)), feature)
        groups.setdefault(owner, []).append(position)
    return {name: np.asarray(places) for name, places in groups.items()}


def permutation_importance(
    x: NDArray[np.float32],
    groups: Mapping[str, NDArray[np.intp]],
    predicted: Callable[[NDArray[np.float32], NDArray[np.intp]], Predictions],
    *,
    n_rows: int,
    seed: int,
) -> tuple[str, list[Importance]]:
    """The metric, and the importance of each column, the largest first.

    Args:
        x: (B, F) features of the test rows.
        groups: positions of the features to shuffle together, by column.
        predicted: (features of rows, their positions in the split) -> predictions.
        n_rows: maximum number of rows to use.
        seed: of the rows and permutations.

    Source: Breiman, Random Forests (2001), section 10; sklearn.inspection.permutation_importance.
    """
    generator = np.random.default_rng(seed)
    affordable = max(_MIN_ROWS, _MAX_PREDICTED // (N_REPEATS * max(len(groups), 1)))
    n_rows = min(n_rows, affordable, len(x))
    rows = np.sort(generator.permutation(len(x))[:n_rows])
    base, whole = x[rows], predicted(x[rows], rows)
    figure, one = _figure_of(whole)
    before = measure(whole, one)[figure]
    found = []
    for column, places in groups.items():
        shuffled = np.repeat(base[None], N_REPEATS, axis=0)
        for repeat in range(N_REPEATS):
            shuffled[repeat][:, places] = base[generator.permutation(n_rows)][:, places]
        together = predicted(shuffled.reshape(-1, base.shape[1]), np.tile(rows, N_REPEATS))
        ends = np.split(np.arange(N_REPEATS * n_rows), N_REPEATS)
        gains = np.array([measure(together.take(part), one)[figure] - before for part in ends])
        found.append(Importance(column, float(gains.mean()), float(gains.std())))
    return figure, sorted(found, key=lambda item: (-item.increase, item.column))


def _figure_of(predictions: Predictions) -> tuple[str, dict[str, Metric]]:
    """The metric that grows as predictions become worse; of several numbers one without a unit."""
    table = table_of(predictions)
    if predictions.targets and predictions.probabilities is None:
        name, lost = "1 - r2", table["r2"].build
        return name, {name: Metric(lambda drawn: 1 - lost(drawn), lower_is_better=True)}
    name = "rmse" if predictions.probabilities is None else "log_loss"
    return name, {name: table[name]}
