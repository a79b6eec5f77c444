"""From the train section of params.yaml to the parts of a training."""

import torch
from torch import nn

from layerline.config import TrainSection
from layerline.errors import ParamsError, Problem
from layerline.kernels.cuda_graphs import StepGraphs
from layerline.kernels.switch import is_on
from layerline.lookup import pick, read_options
from layerline.networks import find_network
from layerline.networks.embeddings import TableEmbeddings
from layerline.training.augmentation import Augmentation, InputFacts, build_augmentation
from layerline.training.batching import BatchPlan
from layerline.training.dataset import Rows
from layerline.training.device import dtype_of
from layerline.training.early_stopping import BestWeights, StoppingRules
from layerline.training.objectives import TargetFacts, build_link, build_loss
from layerline.training.optimizers import GRAPHABLE, OPTIMIZERS, bare_step, start_without_compiler
from layerline.training.schedules import SCHEDULES
from layerline.training.state import Session
from layerline.training.trainable import Learning
from layerline.training.weight_averaging import WeightAverage

_LOOKED_AT = 10_000  # rows, for the background of images


def build_session(
    network: nn.Module,
    train: Rows,
    section: TrainSection,
    *,
    task: str,
    seed: int,
    facts: TargetFacts,
    learning: Learning | None = None,
) -> tuple[Session, BatchPlan]:
    """What takes the steps, and how the rows of each epoch are cut into them.

    Raises:
        ParamsError: a component is not known, or does not fit the task or the data.
    """
    if train.is_streamed:
        _refuse_streaming(section)
    start_without_compiler()
    optimizers = pick(OPTIMIZERS, section.optimizer.name, "train.optimizer")
    options = read_options(optimizers, section.optimizer.options, "train.optimizer")
    schedules = pick(SCHEDULES, section.schedule.name, "train.schedule")
    optimizer = optimizers(network, **options)
    if learning is not None:
        learning.set_rates(network, optimizer, section.optimizer.name)
    plan = BatchPlan.of(section, len(train), full_batch=section.takes_all_rows)
    session = Session(
        network=network,
        optimizer=optimizer,
        take_step=bare_step(optimizer),
        schedule=schedules(**read_options(schedules, section.schedule.options, "train.schedule")),
        loss=build_loss(section.loss, task, facts),
        link=build_link(section.loss, task, facts),
        precision=dtype_of(section),
        clip_norm=section.clip_norm,
        n_steps=plan.n_steps(section.epochs),
        random=torch.Generator().manual_seed(seed),
        augment=_augmentation(section, train, facts),
        average=WeightAverage(network, section.average) if section.average else None,
        full_batch=section.takes_all_rows,
        learning=learning,
    )
    if _is_graphable(session, train, section):
        session.graphs = StepGraphs(network, optimizer)
    return session, plan


def _refuse_streaming(section: TrainSection) -> None:
    """Say what would read rows from all over a file that is larger than the memory."""
    problems = []
    if section.takes_all_rows:
        message = f"{section.optimizer.name} takes all rows at once; use adamw"
        problems.append(Problem("train.optimizer", message))
    if section.sampling == "balanced":
        message = "balanced draws single rows from anywhere; use shuffled, and a loss that weighs"
        problems.append(Problem("train.sampling", f"{message} classes (class_weights)"))
    if problems:
        where = "the rows are more than half of the memory and are read from disk"
        raise ParamsError([Problem(p.where, f"{where}: {p.message}") for p in problems])


def _is_graphable(session: Session, train: Rows, section: TrainSection) -> bool:
    """Whether each step is known to run the same kernels on the same addresses of a CUDA device."""
    return (
        train.x.is_cuda
        and is_on("cuda_graphs")
        and session.augment is None  # draws on the CPU
        and session.learning is None  # other parameters from epoch to epoch
        and section.optimizer.name in GRAPHABLE
        and find_network(section.network).is_recordable
        and not any(isinstance(module, TableEmbeddings) for module in session.network.modules())
    )


def _augmentation(section: TrainSection, train: Rows, facts: TargetFacts) -> Augmentation | None:
    if not section.augment:
        return None
    counts = facts.class_counts
    some = train.x[:_LOOKED_AT]
    # Pixels of the background are the lowest ones, whatever scaling made of them.
    fill = some.amin(dim=[0, *range(2, some.ndim)])
    inputs = InputFacts(tuple(some.shape[1:]), fill, None if counts is None else len(counts))
    return build_augmentation(section.augment, inputs)


def build_stopping(section: TrainSection, facts: TargetFacts) -> tuple[BestWeights, StoppingRules]:
    """Which weights are kept, and when training ends before its last epoch."""
    stopping = section.early_stopping
    if stopping is None:
        return BestWeights(), StoppingRules()
    # The error of numbers is monitored in standardised units, and its target is in the user's.
    unit = facts.scale if stopping.metric == "error" else 1.0
    rules = StoppingRules(stopping.patience_epochs, stopping.target, stopping.time_minutes, unit)
    return BestWeights(stopping.min_delta), rules
