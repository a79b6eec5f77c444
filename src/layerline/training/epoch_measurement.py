"""What an epoch achieved: its record for each member."""

from collections.abc import Sequence

import torch
from torch import Tensor

from layerline.training.dataset import Rows
from layerline.training.epoch_records import EpochRecord
from layerline.training.member import Member
from layerline.training.session import Session


@torch.inference_mode()
def measure_epoch(
    session: Session,
    members: Sequence[Member],
    valid: Rows,
    losses: Tensor,
    epoch: int,
    rows_per_second: float,
) -> tuple[list[EpochRecord], list[Tensor]]:
    """The record of each member, from the `losses` (steps, R) and the validation rows.

    Also each member's outputs (N, O) for these rows; with folds, for those held out of its own.
    """
    norms = session.gradient_norm().view(-1).tolist()
    with session.averaged():
        outputs, targets = _judged(session, members, valid)
    rates = session.learning_rates
    measured = zip(losses.unbind(1), norms, rates, outputs, targets, strict=True)
    records = [
        EpochRecord(
            epoch=epoch,
            train_loss=float(own.double().mean()),
            valid_loss=float(session.loss(answers, y)),
            valid_error=error_of(session.link(answers), y),
            valid_score=session.score and session.score(session.link(answers), y),
            learning_rate=rate,
            gradient_norm=norm,
            rows_per_second=rows_per_second,
        )
        for own, norm, rate, answers, y in measured
    ]
    return records, outputs


def _judged(
    session: Session, members: Sequence[Member], valid: Rows
) -> tuple[list[Tensor], list[Tensor]]:
    """Each member's outputs for the rows that it is judged by, and their targets."""
    held = [None if member.fold is None else member.fold.held_out for member in members]
    if len(members) == 1 and held[0] is not None:
        (rows,) = held
        return [session.predict(valid.x[rows])[0].to(valid.y.device)], [valid.y[rows]]
    outputs = session.predict(valid.x).to(valid.y.device)
    found = [o if rows is None else o[rows] for o, rows in zip(outputs, held, strict=True)]
    return found, [valid.y if rows is None else valid.y[rows] for rows in held]


def error_of(outputs: Tensor, y: Tensor) -> float:
    """1 - accuracy for classes, the root mean squared error for numbers."""
    if y.dtype == torch.int64:
        return int((outputs.argmax(1) != y).sum()) / len(y)
    # On the CPU: Apple's GPUs have no float64.
    return float((outputs.view_as(y) - y).cpu().double().square().mean().sqrt())
