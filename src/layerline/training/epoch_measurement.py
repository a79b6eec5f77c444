"""What an epoch achieved: its record for each member."""

import torch
from torch import Tensor

from layerline.training.dataset import Rows
from layerline.training.epoch_records import EpochRecord
from layerline.training.session import Session


@torch.inference_mode()
def measure_epoch(
    session: Session, valid: Rows, losses: Tensor, epoch: int, rows_per_second: float
) -> tuple[list[EpochRecord], Tensor]:
    """The record of each member, from the `losses` (steps, R) and the validation rows.

    Also the outputs (R, N, O) for these rows.
    """
    norms = session.gradient_norm().view(-1).tolist()
    with session.averaged():
        outputs = session.predict(valid.x).to(valid.y.device)
    measured = zip(losses.unbind(1), norms, session.learning_rates, outputs, strict=True)
    records = [
        EpochRecord(
            epoch=epoch,
            train_loss=float(own.double().mean()),
            valid_loss=float(session.loss(answers, valid.y)),
            valid_error=error_of(session.link(answers), valid.y),
            valid_score=session.score and session.score(session.link(answers), valid.y),
            learning_rate=rate,
            gradient_norm=norm,
            rows_per_second=rows_per_second,
        )
        for own, norm, rate, answers in measured
    ]
    return records, outputs


def error_of(outputs: Tensor, y: Tensor) -> float:
    """1 - accuracy for classes, the root mean squared error for numbers."""
    if y.dtype == torch.int64:
        return int((outputs.argmax(1) != y).sum()) / len(y)
    # On the CPU: Apple's GPUs have no float64.
    return float((outputs.view_as(y) - y).cpu().double().square().mean().sqrt())
