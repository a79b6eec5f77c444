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
        outputs, judging = _judged(session, members, valid)
    rates = session.learning_rates
    measured = zip(losses.unbind(1), norms, rates, outputs, judging, strict=True)
    records = [
        EpochRecord(
            epoch=epoch,
            train_loss=float(own.double().mean()),
            valid_loss=float(session.loss(answers, rows.targets)),
            valid_error=error_of(session.link(answers), rows),
            valid_score=session.score and session.score(session.link(answers), rows.y),
            learning_rate=rate,
            gradient_norm=norm,
            rows_per_second=rows_per_second,
        )
        for own, norm, rate, answers, rows in measured
    ]
    return session.agreed(records), outputs


def _judged(
    session: Session, members: Sequence[Member], valid: Rows
) -> tuple[list[Tensor], list[Rows]]:
    """Each member's outputs for the rows that it is judged by, and these."""
    held = [None if member.fold is None else member.fold.held_out for member in members]
    judging = [valid if places is None else valid.at(places) for places in held]
    if len(members) == 1:
        return [session.predict(judging[0].x)[0].to(valid.y.device)], judging
    outputs = session.predict(valid.x).to(valid.y.device)
    found = [o if places is None else o[places] for o, places in zip(outputs, held, strict=True)]
    return found, judging


def error_of(outputs: Tensor, rows: Rows) -> float:
    """1 - accuracy for classes, the root mean squared error for numbers; weighted as rows are.

    Of several targets the mean over these.
    """
    y, weights = rows.y, rows.weights
    if y.dtype == torch.int64:
        wrong = outputs.argmax(1) != y
        if weights is None:
            return int(wrong.sum()) / len(y)
        return float(weights[wrong.cpu()].sum() / weights.sum())
    # On the CPU: Apple's GPUs have no float64.
    squares = (outputs.view_as(y) - y).cpu().double().square()
    mean = squares.mean() if weights is None else (squares * weights).sum() / weights.sum()
    return float(mean.sqrt())
