"""The training loop: tensors in memory, a seeded permutation an epoch, best weights kept.

Batches are slices of a permutation, taken by index_select: no DataLoader, no copies of rows that
are not used. All batches of an epoch have the same size up to one row, so no tiny last batch
upsets batch norm.
"""

import dataclasses
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from layerline.config import TrainSection
from layerline.errors import DivergedError
from layerline.lookup import pick, read_options
from layerline.training.device import autocast, choose_device, choose_precision
from layerline.training.objectives import Loss, build_loss
from layerline.training.optimizers import OPTIMIZERS, bare_step, start_without_compiler
from layerline.training.rows import Rows
from layerline.training.schedules import SCHEDULES, Schedule
from layerline.training.stopping import BestWeights, should_stop

PREDICT_BATCH = 8192


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What one epoch did. `valid_error` is 1 - accuracy, or the RMSE in standardised units."""

    epoch: int
    train_loss: float
    valid_loss: float
    valid_error: float
    learning_rate: float
    gradient_norm: float
    rows_per_second: float


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The history, and the epoch (counted from 1) whose weights the network now has."""

    history: tuple[EpochRecord, ...]
    kept_epoch: int
    stopped_early: bool


@dataclasses.dataclass
class _Session:
    """One training's moving parts."""

    network: nn.Module
    optimizer: Optimizer
    take_step: Callable[[], None]
    schedule: Schedule
    loss: Loss
    precision: torch.dtype
    clip_norm: float | None
    base_rates: list[float]
    n_steps: int
    step: int = 0


def fit(
    network: nn.Module,
    train: Rows,
    valid: Rows,
    section: TrainSection,
    *,
    task: str,
    seed: int,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Train `network` in place; it ends with its best weights, in evaluation mode, on the CPU.

    Without early stopping the last epoch's weights are kept.

    Raises:
        DivergedError: a loss was not finite; the message says at which epoch, step and rate.
        ParamsError: a loss, optimizer or schedule is not known or does not fit.
    """
    device = choose_device(section.device)
    network.to(device)
    train, valid = train.to(device), valid.to(device)
    # Two rows at least in each batch, which is what batch norm needs.
    batches_an_epoch = max(1, min(math.ceil(len(train) / section.batch_size), len(train) // 2))
    session = _start(network, section, task, device, section.epochs * batches_an_epoch)
    permutations = torch.Generator().manual_seed(seed)
    monitored = section.early_stopping.metric if section.early_stopping else "loss"
    best = BestWeights(section.early_stopping.min_delta if section.early_stopping else 0.0)
    history: list[EpochRecord] = []
    for epoch in range(1, section.epochs + 1):
        started = time.perf_counter()
        order = torch.randperm(len(train), generator=permutations).to(device)
        losses, norm = _run_epoch(session, train, order.tensor_split(batches_an_epoch))
        seconds = time.perf_counter() - started
        record = _record(session, epoch, losses, norm, valid, len(train) / seconds)
        history.append(record)
        on_epoch(record)
        best.offer(network, getattr(record, f"valid_{monitored}"), epoch)
        if should_stop(best, epoch, section.early_stopping):
            break
    if section.early_stopping:
        best.restore(network)
    network.to("cpu").eval()
    kept = best.epoch if section.early_stopping else len(history)
    return FitResult(tuple(history), kept, len(history) < section.epochs)


def _start(
    network: nn.Module, section: TrainSection, task: str, device: torch.device, n_steps: int
) -> _Session:
    start_without_compiler()
    optimizers = pick(OPTIMIZERS, section.optimizer.name, "train.optimizer")
    schedules = pick(SCHEDULES, section.schedule.name, "train.schedule")
    optimizer = optimizers(
        network,
        **read_options(optimizers, section.optimizer.options, "train.optimizer"),
    )
    return _Session(
        network=network,
        optimizer=optimizer,
        take_step=bare_step(optimizer),
        schedule=schedules(**read_options(schedules, section.schedule.options, "train.schedule")),
        loss=build_loss(section.loss, task),
        precision=choose_precision(section.precision, device),
        clip_norm=section.clip_norm,
        base_rates=[group["lr"] for group in optimizer.param_groups],
        n_steps=n_steps,
    )


def _run_epoch(session: _Session, train: Rows, batches: tuple[Tensor, ...]) -> tuple[Tensor, float]:
    """Take one step a batch; return the losses (n_batches,) and the last gradient's norm."""
    session.network.train()
    losses = torch.stack([_step(session, train, batch) for batch in batches])
    gradients = [p.grad for p in session.network.parameters() if p.grad is not None]
    return losses, float(torch.nn.utils.get_total_norm(gradients))


def _step(session: _Session, train: Rows, batch: Tensor) -> Tensor:
    """One optimizer step on the rows `batch` (B,); returns the loss, still on the device."""
    factor = session.schedule((session.step + 0.5) / session.n_steps)
    for group, base in zip(session.optimizer.param_groups, session.base_rates, strict=True):
        group["lr"] = base * factor
    x, y = train.x.index_select(0, batch), train.y.index_select(0, batch)
    with autocast(x.device, session.precision):
        outputs = session.network(x)
    loss = session.loss(outputs.float(), y)
    session.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if session.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(session.network.parameters(), session.clip_norm)
    session.take_step()
    session.step += 1
    return loss.detach()


def _record(
    session: _Session, epoch: int, losses: Tensor, norm: float, valid: Rows, rate: float
) -> EpochRecord:
    finite = torch.isfinite(losses)
    learning_rate = session.optimizer.param_groups[0]["lr"]
    if not bool(finite.all()):
        step = session.step - len(losses) + int((~finite).nonzero()[0]) + 1
        raise DivergedError(
            f"train: the loss is not finite at epoch {epoch}, step {step}, learning rate "
            f"{learning_rate:.3g}; lower train.optimizer.learning_rate or set train.clip_norm: 1.0"
        )
    outputs = predict(session.network, valid.x, session.precision)
    valid_loss = float(session.loss(outputs, valid.y))
    if not math.isfinite(valid_loss):
        raise DivergedError(
            f"train: the validation loss is not finite at epoch {epoch}, learning rate "
            f"{learning_rate:.3g}; lower train.optimizer.learning_rate"
        )
    return EpochRecord(
        epoch=epoch,
        train_loss=float(losses.double().mean()),
        valid_loss=valid_loss,
        valid_error=_error(outputs, valid.y),
        learning_rate=learning_rate,
        gradient_norm=norm,
        rows_per_second=rate,
    )


def _error(outputs: Tensor, y: Tensor) -> float:
    """1 - accuracy for classes, the root mean squared error for numbers."""
    if y.dtype == torch.int64:
        return float((outputs.argmax(1) != y).double().mean())
    return float((outputs.view_as(y) - y).double().square().mean().sqrt())


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Outputs (B, O) float32 in evaluation mode, computed in chunks of rows."""
    network.eval()
    with autocast(x.device, precision):
        return torch.cat([network(chunk).float() for chunk in x.split(PREDICT_BATCH)])
