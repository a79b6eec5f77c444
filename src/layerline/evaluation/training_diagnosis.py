"""How the training went, in one sentence, from its learning curves and a constant guess."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.config import Component
from layerline.training.dataset import Rows

History = Sequence[Mapping[str, float]]
_GAP = 0.05  # of the loss; smaller differences are ignored


def diagnose(history: History, kept: int, epochs: int, guessing: float | None = None) -> str:
    """One sentence on how the training went.

    Args:
        history: one mapping an epoch, with `train_loss` and `valid_loss`.
        kept: the epoch, from 1, whose weights were kept.
        epochs: the limit.
        guessing: the validation loss of a constant guess, in the unit of the history.
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
            f"{guessing:.4g} of a constant guess; the columns may not predict the target, or the "
            "network is too small or the learning rate too low."
        )
    if kept == lowest == len(history) == epochs and epochs > 1:
        return (
            f"The validation loss was still falling at the last epoch ({epochs}); more epochs may "
            "help."
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
    """The training loss ended above that of the first epoch."""
    return len(history) > 1 and history[-1]["train_loss"] > 1.5 * abs(history[0]["train_loss"])


def constant_guess(
    loss: Component,
    rows: Mapping[str, Rows],
    classes: Sequence[Any] | None,
    *,
    is_multilabel: bool = False,
) -> float | None:
    """The loss of a constant guess in the unit of the learning curves, where it is known."""
    if loss.options or loss.name not in (
        "auto",
        "cross_entropy",
        "multilabel_cross_entropy",
        "mse",
    ):
        return None
    train, valid = (rows[split].y.numpy() for split in ("train", "valid"))
    if is_multilabel:
        shares = np.clip(train.mean(axis=0, dtype=np.float64), 1e-12, 1 - 1e-12)
        return float(-(valid * np.log(shares) + (1 - valid) * np.log(1 - shares)).mean())
    return guess_loss(train, valid, None if classes is None else len(classes))


def guess_loss(train: NDArray[Any], valid: NDArray[Any], n_classes: int | None) -> float:
    """The validation loss of a constant guess, learnt from the train rows.

    Args:
        train: (B,) class indices, or standardised numbers.
        valid: the same for the validation rows.
        n_classes: None for numbers (mean squared error), else K (log loss).
    """
    if n_classes is None:
        return float(np.square(valid - train.mean(axis=0)).mean())
    shares = (np.bincount(train, minlength=n_classes) + 1) / (len(train) + n_classes)
    return float(-np.log(shares[valid]).mean())
