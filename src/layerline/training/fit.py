"""Train one network on rows in memory, without params.yaml, files or tracking."""

from collections.abc import Callable

from torch import nn

from layerline.config import TrainSection
from layerline.training.dataset import TrainingData
from layerline.training.epoch_records import EpochRecord, FitResult, Listener
from layerline.training.loop import Training
from layerline.training.member import Member


def fit(
    network: nn.Module,
    data: TrainingData,
    section: TrainSection,
    *,
    seed: int,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Train `network` in place; it ends with its best weights, in evaluation mode, on the CPU.

    Without early stopping the last epoch's weights are kept.

    Raises:
        DivergedError: the loss was not finite, also with lower rates; the message names the epoch,
            step, layer and rate.
        ParamsError: a loss, optimizer or schedule is unknown or does not fit.
    """
    member = Member(network, seed)
    Training([member], data, section).run(Listener(on_epoch=on_epoch))
    return member.result
