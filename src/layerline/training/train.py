"""The train stage's work: from data/scaled to models/network and reports/history.csv."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from layerline.artifacts import SourceFiles, Workspace
from layerline.config import Params, read_rank_place
from layerline.kernels.ranks import ALONE, Ranks
from layerline.training.cleanup import prune
from layerline.training.device import choose_device, enough_memory
from layerline.training.distillation import distill
from layerline.training.epoch_records import FitResult
from layerline.training.forked_ranks import forked_ranks, n_useful
from layerline.training.learner import Learner
from layerline.training.members import Members, OnEpoch, Report
from layerline.training.output_files import save_interrupted, save_trained
from layerline.training.progress import progress_shown
from layerline.training.rank_group import join, open_snapshots, require_rankable, take_device
from layerline.training.ranked_members import RankedMembers
from layerline.training.setup import TrainingSetup, read_setup
from layerline.training.snapshots import Snapshots, training_key


def train(
    workspace: Workspace,
    params: Params,
    on_epoch: OnEpoch,
    report: Report = lambda text: None,
    source: SourceFiles | None = None,
    *,
    may_fork: bool = False,
) -> FitResult:
    """Train, or resume a training that was killed; write the network and its history.

    With train.transfer it starts from the weights of `source`. Where it `may_fork`, members use all
    cores. Interrupted by Ctrl-C, it leaves the best network so far in models/interrupted.

    Raises:
        SourceError: data/scaled is missing or damaged.
        ParamsError: a component is unknown or does not fit the task, or a source the data.
        DivergedError: the loss was not finite.
    """
    with enough_memory(params.train):
        setup, network = _prepare(workspace, params)
        if setup.ranks.rank:
            on_epoch, report = _ignore, _ignore
        for note in setup.notes:
            report(f"note: {note}")
        learner = None
        if source is not None:
            # Not at the top: it reads preprocessors, and so imports pandas.
            from layerline.training.transfer.prepare import start_from

            learner = start_from(source, workspace, setup, network, report)
        elif not setup.section.has_members:
            learner = Learner(network, setup.data)
        with _on_all_cores(workspace, setup, may_fork and learner is None) as setup:
            members = _members(workspace, setup, learner)
            return _run(workspace, members, on_epoch, report)


@contextlib.contextmanager
def _on_all_cores(
    workspace: Workspace, setup: TrainingSetup, may_fork: bool
) -> Iterator[TrainingSetup]:
    """The setup of rank 0, whose forks train their members while the block runs; or as it was."""
    n_processes = 1
    if may_fork and setup.ranks == ALONE:
        n_processes = n_useful(setup, len(_members(workspace, setup).groups()))
    if n_processes == 1:
        yield setup
        return

    def train_share(ranks: Ranks) -> None:
        with progress_shown(False):
            share = _members(workspace, dataclasses.replace(setup, ranks=ranks))
            share.run(_ignore, _ignore)

    with forked_ranks(n_processes, train_share) as ranks:
        yield dataclasses.replace(setup, ranks=ranks)


def _run(workspace: Workspace, members: Members, on_epoch: OnEpoch, report: Report) -> FitResult:
    """Train all members; rank 0 writes what is kept of them."""
    setup = members.setup
    try:
        kept = members.run(on_epoch, report)
        if setup.ranks.rank == 0:
            kept = distill(members, kept, report)
    except KeyboardInterrupt:
        if setup.ranks.rank:
            raise
        report(_save_interrupted(workspace, members))
        raise
    if setup.ranks.rank == 0:
        about = {**setup.manifest_facts(kept.result), **kept.about}
        save_trained(workspace, kept, about, members.learner)
        members.discard()
    return kept.result


def _members(workspace: Workspace, setup: TrainingSetup, learner: Learner | None = None) -> Members:
    def snapshots(facts: Mapping[str, Any]) -> Snapshots:
        return _open_snapshots(workspace, setup, facts)

    if setup.section.has_members and setup.ranks != ALONE:
        return RankedMembers(setup, snapshots)
    return Members(setup, snapshots, learner)


def _ignore(told: object) -> None:
    """Rank 0 reports the same."""


def _prepare(workspace: Workspace, params: Params) -> tuple[TrainingSetup, nn.Module]:
    """The setup and the network with its first weights; where ranks train, they have met."""
    place = read_rank_place()
    require_rankable(params.train, place)
    if place is None:
        return read_setup(workspace, params)
    take_device(params.train, place)
    setup, network = read_setup(workspace, params, place)
    device = choose_device(setup.section.device)
    ranks = join(place, device, training_key(setup.identity()))
    return dataclasses.replace(setup, ranks=ranks), network


def _save_interrupted(workspace: Workspace, members: Members) -> str:
    """Keep the best network so far; returns the message for the user."""
    message, setup = "interrupted", members.setup
    if kept := members.interrupted():
        about = {**setup.manifest_facts(kept.result), **kept.about}
        save_interrupted(workspace, kept, about)
        epoch = kept.result.kept_epoch
        message += f"; the best network so far (epoch {epoch}) is in models/interrupted"
    if members.snapshots.exists():
        return f"{message}; the next run resumes from the last snapshot"
    return f"{message}; the next run starts from the beginning: no snapshot was due yet"


def _open_snapshots(
    workspace: Workspace, setup: TrainingSetup, facts: Mapping[str, Any]
) -> Snapshots:
    """Open this training's; those of others that have not been resumed for long are removed."""
    parent = workspace.home / ".layerline" / "snapshots"
    folder = parent / training_key({**setup.identity(), **facts})
    if setup.ranks.rank == 0:
        prune(parent)
    return open_snapshots(folder, setup.ranks)
