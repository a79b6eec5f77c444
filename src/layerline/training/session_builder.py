"""From the train section of params.yaml to a session, its batches and its stopping rules."""

from collections.abc import Sequence
from typing import Any

from torch import nn, optim

from layerline.config import Component, TrainSection
from layerline.errors import ParamsError, Problem
from layerline.kernels.cuda_graphs import StepGraphs
from layerline.kernels.ranks import ALONE, Ranks
from layerline.kernels.shared_norm import share_norms
from layerline.kernels.switch import is_on
from layerline.lookup import is_import_path, pick, read_options
from layerline.networks import find_network
from layerline.networks.embeddings import TableEmbeddings
from layerline.networks.stack import NotStackableError, stack_networks
from layerline.training.augmentation import Augment, InputFacts, build_augmentation
from layerline.training.batching import BatchPlan
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import dtype_of
from layerline.training.early_stopping import BestWeights, StoppingRules
from layerline.training.fine_tuning import FineTuning
from layerline.training.member import Member
from layerline.training.monotone import keep_signs, sign_weights
from layerline.training.objectives import TargetFacts, build_link
from layerline.training.optimizers import (
    OPTIMIZERS,
    bare_step,
    full_batch_problems,
    join_members,
    start_without_compiler,
    takes_all_rows,
    with_gradients_of,
)
from layerline.training.rank_group import require_rows_for_all
from layerline.training.ranked_session import RankedSession
from layerline.training.schedules import Adaptive, build_schedule
from layerline.training.scores import find_score
from layerline.training.session import Session
from layerline.training.stacked_session import StackedSession
from layerline.training.weight_averaging import WeightAverage

_BACKGROUND_ROWS = 10_000  # that the background of images is read from


def build_session(
    members: Sequence[Member],
    data: TrainingData,
    section: TrainSection,
    fine_tuning: FineTuning | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Session, BatchPlan]:
    """What takes the steps, and how the rows of each epoch are cut into them.

    Raises:
        ParamsError: a component is unknown, or does not fit the task or the data.
        NotStackableError: there are several members, and no batched form of them.
    """
    _require_possible(section, data.train)
    start_without_compiler()
    networks = [member.network for member in members]
    network = networks[0]
    dropouts = [member.dropout for member in members if member.dropout is not None]
    if len(members) > 1:
        network = stack_networks(networks, dropouts)
    schedule = build_schedule(section)
    if len(members) > 1 and has_own_pace(section):
        raise NotStackableError("each member would need a rate of its own")
    full_batch = takes_all_rows(section)
    plan = _plan_batches(members[0], data.train, section, full_batch)
    parts: dict[str, Any] = {
        "network": network,
        **_optimizer_parts(members, data, section, network, fine_tuning),
        "schedule": schedule,
        "loss": data.build_loss(section),
        "link": build_link(section.loss, data.task, data.targets),
        "score": find_score(section.monitored, data.task),
        "precision": dtype_of(section),
        "clip_norm": section.clip_norm,
        "n_steps": plan.n_steps(section.epochs),
        "orders": [member.order for member in members],
        "augment": _build_augment(section, data.train, data.targets),
        "average": WeightAverage(network, section.average) if section.average else None,
        "full_batch": full_batch,
        "fine_tuning": fine_tuning,
    }
    if len(members) > 1:
        return StackedSession(**parts, dropouts=dropouts, networks=networks), plan
    if ranks != ALONE:
        require_rows_for_all(plan, ranks)
        share_norms(network)
        return RankedSession(**parts, ranks=ranks), plan
    return _with_graphs(Session(**parts), data.train, section), plan


def has_own_pace(section: TrainSection) -> bool:
    """Whether what a network's validation shows decides its rate, where a stack has one for all."""
    stopping = section.early_stopping
    cools_down = stopping is not None and stopping.cooldown_epochs > 0
    return cools_down or isinstance(build_schedule(section), Adaptive)


def _with_graphs(session: Session, train: Rows, section: TrainSection) -> Session:
    if _is_graphable(session, train, section):
        session.graphs = StepGraphs(session.network, session.optimizer)
    return session


def _plan_batches(
    member: Member, train: Rows, section: TrainSection, full_batch: bool
) -> BatchPlan:
    n_rows = len(train) if member.fold is None else member.fold.n_rows
    return BatchPlan.of(section, n_rows, full_batch=full_batch)


def _optimizer_parts(
    members: Sequence[Member],
    data: TrainingData,
    section: TrainSection,
    network: nn.Module,
    fine_tuning: FineTuning | None,
) -> dict[str, Any]:
    """The optimizer of the `network`, or of its members, where their rates differ."""
    networks = [member.network for member in members]
    own = [member.optimizer or section.optimizer for member in members]
    has_own_rates = any(one != own[0] for one in own)
    optimizer = _build_optimizer(own, networks if has_own_rates else [network], fine_tuning)
    step = bare_step(optimizer)
    if has_own_rates:
        step = with_gradients_of(network, networks, step)
    if (signed := sign_weights(networks, data)) is not None:
        step = keep_signs(step, signed)
    return {"optimizer": optimizer, "take_step": step, "has_own_rates": has_own_rates}


def _build_optimizer(
    own: Sequence[Component], networks: Sequence[nn.Module], fine_tuning: FineTuning | None
) -> optim.Optimizer:
    """One optimizer for the `networks`, each with its own options of the same optimizer."""
    name = own[0].name
    build = pick(OPTIMIZERS, name, "train.optimizer").build
    options = [read_options(build, one.options, "train.optimizer") for one in own]
    optimizer = join_members(build, networks, options[: len(networks)])
    if fine_tuning is not None:
        fine_tuning.set_rates(networks[0], optimizer, name)
    return optimizer


def _require_possible(section: TrainSection, train: Rows) -> None:
    """Refuse what an optimizer of all rows, or rows that are read from disk, do not allow."""
    problems = full_batch_problems(section)
    reason = "the rows need more than half of the memory and are read from disk"
    if train.is_streamed and takes_all_rows(section):
        message = f"{reason}: {section.optimizer.name} needs all rows at once; use adamw"
        problems.append(Problem("train.optimizer", message))
    if train.is_streamed and section.sampling == "balanced":
        message = (
            f"{reason}: balanced draws single rows from anywhere; use shuffled, and a loss that "
            "weighs classes (class_weights)"
        )
        problems.append(Problem("train.sampling", message))
    if problems:
        raise ParamsError(problems)


def _is_graphable(session: Session, train: Rows, section: TrainSection) -> bool:
    """Whether each step is known to run the same kernels on the same addresses of a CUDA device."""
    return (
        train.x.is_cuda
        and is_on("cuda_graphs")
        and session.augment is None  # draws on the CPU
        and session.fine_tuning is None  # other parameters from epoch to epoch
        and OPTIMIZERS[section.optimizer.name].graphable
        and find_network(section.network).is_recordable
        and not is_import_path(section.loss.name)
        and not any(isinstance(module, TableEmbeddings) for module in session.network.modules())
    )


def _build_augment(section: TrainSection, train: Rows, targets: TargetFacts) -> Augment | None:
    if not section.augment:
        return None
    counts = targets.class_counts
    some = train.x[:_BACKGROUND_ROWS]
    # Pixels of the background are the lowest ones, whatever scaling made of them.
    fill = some.amin(dim=[0, *range(2, some.ndim)])
    inputs = InputFacts(tuple(some.shape[1:]), fill, None if counts is None else len(counts))
    return build_augmentation(section.augment, inputs)


def build_best(section: TrainSection) -> BestWeights:
    """What keeps a member's best weights."""
    stopping = section.early_stopping
    return BestWeights() if stopping is None else BestWeights(stopping.min_delta)


def build_stopping(section: TrainSection, targets: TargetFacts) -> StoppingRules:
    """When training ends before its last epoch."""
    stopping = section.early_stopping
    if stopping is None:
        return StoppingRules()
    # Errors of numbers are monitored in standardised units, and the target is in the user's.
    unit = targets.scale if stopping.metric in ("error", "mae") else 1.0
    return StoppingRules(
        stopping.patience_epochs,
        stopping.target,
        stopping.time_minutes,
        unit,
        stopping.cooldown_epochs,
    )
