"""How the fit went, in a sentence, from the learning curves and what plain guessing would give."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

History = Sequence[Mapping[str, float]]
_GAP = 0.05  # of the loss; smaller differences are called none


def diagnose(history: History, kept: int, epochs: int, guessing: float | None = None) -> str:
    """One sentence on how the fit went.

    Args:
        history: one mapping an epoch, with `train_loss` and `valid_loss`.
        kept: the epoch, from 1, whose weights were kept.
        epochs: how many were allowed.
        guessing: the validation loss of the same guess for every row, in the unit of the history.
    """
    last, best = history[-1], history[kept - 1]
    lowest = min(range(len(history)), key=lambda row: _number(history[row]["valid_loss"])) + 1
    if not math.isfinite(last["train_loss"]) or _rose(history):
        return (
            f"The training diverged: the training loss ended at {last['train_loss']:.4g} after "
            f"{history[0]['train_loss']:.4g} in the first epoch; lower "
            "train.optimizer.learning_rate, or set train.clip_norm."
        )
    if guessing is not None and best["valid_loss"] > (1 - _GAP) * guessing:
        return (
            f"Under-fitting: the validation loss of {best['valid_loss']:.4g} is hardly below the "
            f"{guessing:.4g} of one guess for every row; the columns may not tell the target, or "
            "the network is too small or learns too slowly."
        )
    if kept == lowest == len(history) == epochs and epochs > 1:
        return (
            f"It ran out of epochs: the validation loss was still falling at the last epoch "
            f"({epochs}): more epochs may help."
        )
    if (
        best["valid_loss"] > 0  # a likelihood of numbers may lie below 0, where no ratio means much
        and last["train_loss"] < 0.5 * best["train_loss"]
        and last["valid_loss"] > 1.1 * best["valid_loss"]
    ):
        return (
            f"Over-fitting began after epoch {kept}: the training loss kept falling while the "
            "validation loss rose; the weights of the best epoch were kept."
        )
    return (
        f"The weights of epoch {kept} of {len(history)} were kept; the validation loss was lowest "
        f"at epoch {lowest}."
    )


def _number(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _rose(history: History) -> bool:
    """The training loss is above that of the first epoch: no learning ends there."""
    return len(history) > 1 and history[-1]["train_loss"] > 1.5 * abs(history[0]["train_loss"])


def guess_loss(train: NDArray[Any], valid: NDArray[Any], n_classes: int | None) -> float:
    """The validation loss of one guess for every row, learnt from the train rows.

    Args:
        train: (B,) class indices, or standardised numbers.
        valid: likewise.
        n_classes: None for numbers, whose squared error is meant; else the log loss.
    """
    if n_classes is None:
        return float(np.square(valid - train.mean()).mean())
    shares = (np.bincount(train, minlength=n_classes) + 1) / (len(train) + n_classes)
    return float(-np.log(shares[valid]).mean())
