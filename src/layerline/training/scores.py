"""What early stopping may monitor besides loss and error, by name; lower is better.

To add one: a function of the predictions (N, O) and the targets (N,), a line in SCORES, and its
name in `early_stopping.metric`.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from layerline.errors import ParamsError, Problem
from layerline.training.objectives import ALL_NUMBERS, CLASSES


@dataclasses.dataclass(frozen=True)
class Score:
    """A function of predictions and targets, and the tasks it fits."""

    build: Callable[[Tensor, Tensor], float]
    tasks: frozenset[str]


def log_loss(outputs: Tensor, y: Tensor) -> float:
    """The cross entropy, without weights of classes or smoothing."""
    return float(torch.nn.functional.cross_entropy(outputs, y))


def auc(outputs: Tensor, y: Tensor) -> float:
    """1 - the area under the ROC curve; of several classes the mean of each against the others.

    0.5 where the rows have a single class.

    Source: sklearn.metrics.roc_auc_score, multi_class="ovr".
    """
    shares, y = outputs.double().softmax(1).cpu(), y.cpu()
    classes = [1] if shares.shape[1] == 2 else range(shares.shape[1])
    areas = [_area(shares[:, k], y == k) for k in classes if 0 < int((y == k).sum()) < len(y)]
    return 1 - sum(areas) / len(areas) if areas else 0.5


def _area(scores: Tensor, is_positive: Tensor) -> float:
    """The share of pairs in the right order; equal scores are half a pair."""
    _, place, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    ranks = counts.cumsum(0) - (counts - 1) / 2
    n_positive = int(is_positive.sum())
    above = float(ranks[place][is_positive].sum()) - n_positive * (n_positive + 1) / 2
    return above / (n_positive * (len(scores) - n_positive))


def mae(outputs: Tensor, y: Tensor) -> float:
    """The mean absolute error of numbers, in standardised units."""
    return float((outputs.view_as(y) - y).abs().mean())


SCORES: dict[str, Score] = {
    "log_loss": Score(log_loss, CLASSES),
    "auc": Score(auc, CLASSES),
    "mae": Score(mae, ALL_NUMBERS),
}


def find_score(metric: str, task: str) -> Callable[[Tensor, Tensor], float] | None:
    """The score of that name; None where loss or error is monitored.

    Raises:
        ParamsError: it does not fit the task.
    """
    if metric not in SCORES:
        return None
    if problem := score_problem(metric, task):
        raise ParamsError([problem])
    return SCORES[metric].build


def score_problem(metric: str, task: str) -> Problem | None:
    """Why the metric cannot be monitored for that task; None if it can."""
    if metric not in SCORES or task in (*SCORES[metric].tasks, "auto"):
        return None
    message = f"{metric!r} does not fit a {task} task; use loss or error"
    return Problem("train.early_stopping.metric", message)
