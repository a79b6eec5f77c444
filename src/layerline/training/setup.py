"""What a training is made of, read from a workspace: data, the network's spec, seed, threads."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, nn

from layerline import own_code
from layerline.artifacts import Workspace, read_manifest
from layerline.config import Params, RankPlace, TrainSection
from layerline.kernels.ranks import ALONE, Ranks
from layerline.lookup import is_import_path
from layerline.networks import foreign_options
from layerline.networks.embeddings import fit_embeddings
from layerline.networks.own_network import code_sha256, is_own
from layerline.networks.serialization import NetworkSpec
from layerline.text import listing
from layerline.training.dataset import TrainingData, load_rows
from layerline.training.device import choose_device, choose_threads, prepare_torch, settle_precision
from layerline.training.epoch_records import FitResult
from layerline.training.fold_rows import Fold, deal_folds, join
from layerline.training.member import Member
from layerline.training.monotone import input_directions
from layerline.training.network_spec import build_spec, describe_data
from layerline.training.objectives.own_loss import WHERE
from layerline.training.optimizers import takes_all_rows
from layerline.training.rank_group import rank_facts
from layerline.training.stand_in_rows import stand_in


@dataclasses.dataclass(frozen=True)
class TrainingSetup:
    """What every seed learns from. An equal setup gives equal bytes on one kind of machine.

    `section` is train with its precision settled; `files` are those of data/scaled, with hashes.
    """

    data: TrainingData
    section: TrainSection
    spec: NetworkSpec
    seed: int
    threads: int
    files: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()  # for the user
    ranks: Ranks = ALONE
    folds: tuple[Fold, ...] = ()

    def build_member(self, seed: int, options: Mapping[str, Any] | None = None) -> Member:
        """A network with that seed's weights; torch's generator then draws its dropout.

        `options` are its own, if they are not those of the spec.
        """
        prepare_torch(seed, self.threads)
        spec = self.spec if options is None else dataclasses.replace(self.spec, options=options)
        network = spec.build()
        fit_embeddings(network, self.data.train.x)
        return Member(network, seed, Generator().set_state(torch.get_rng_state()))

    def fold_of(self, number: int) -> Fold | None:
        """The rows of the member with that number; members are dealt to the folds in turn."""
        return self.folds[number % len(self.folds)] if self.folds else None

    def identity(self) -> dict[str, Any]:
        """Everything that decides bytes, as JSON values."""
        loss = self.section.loss.name
        return {
            "data": self.files,
            "train": dataclasses.asdict(self.section),
            "seed": self.seed,
            "threads": self.threads,
            "device": choose_device(self.section.device).type,
            "is_streamed": self.data.train.is_streamed,
            **rank_facts(self.ranks),
            **({"code": code_sha256(self.spec.network)} if is_own(self.spec.network) else {}),
            **({"loss_code": own_code.code_sha256(loss, WHERE)} if is_import_path(loss) else {}),
        }

    def manifest_facts(self, result: FitResult) -> dict[str, Any]:
        """What the manifest of models/network records of a training, next to its files."""
        stopping = self.section.early_stopping
        has_budget = stopping is not None and stopping.time_minutes is not None
        return {
            **({"stopped": result.reason} if has_budget else {}),
            "kept_epoch": result.kept_epoch,
            "threads": self.threads,
            "precision": self.section.precision,
            "is_streamed": self.data.train.is_streamed,
            # Members are the same wherever they were trained.
            **({} if self.section.has_members else rank_facts(self.ranks)),
        }


def read_setup(
    workspace: Workspace, params: Params, place: RankPlace | None = None
) -> tuple[TrainingSetup, nn.Module]:
    """Read data/scaled; choose threads and precision; also the network with the seed's weights.

    Ranks of one machine map the arrays, so that memory has them once, and share its cores.

    Raises:
        SourceError: data/scaled is missing or damaged.
        ParamsError: a component is unknown or does not fit the task.
    """
    manifest = read_manifest(workspace.scaled)
    n_beside = 1 if place is None else place.local_size
    train, valid = (
        load_rows(workspace.scaled, split, is_mapped=n_beside > 1) for split in ("train", "valid")
    )
    folds: tuple[Fold, ...] = ()
    if params.train.folds is not None:
        train = valid = join(train, valid)
        folds = deal_folds(workspace.scaled, train.y, params.train.folds, params.seed)
    monotone = input_directions(params.train, manifest)
    targets = describe_data(manifest, train)
    spec = build_spec(params, manifest, targets)
    prepare_torch(params.seed, 1)
    network = spec.build()
    fit_embeddings(network, train.x)
    at_once = len(train) if takes_all_rows(params.train) else params.train.batch_size
    if place is not None and not params.train.has_members:
        at_once = -(-at_once // place.size)
    threads = choose_threads(params.threads, network, spec.input_shape, at_once, n_beside)
    torch.set_num_threads(threads)
    section = settle_precision(params.train, network, spec.input_shape, spec.task)
    valid, note = (valid, "") if folds else stand_in(train, valid, spec.classes)
    setup = TrainingSetup(
        data=TrainingData(train, valid, spec.task, targets, monotone),
        section=section,
        spec=spec,
        seed=params.seed,
        threads=threads,
        files=manifest["files"],
        notes=tuple(filter(None, (note, _note_foreign(params.train)))),
        folds=folds,
    )
    return setup, network


def _note_foreign(section: TrainSection) -> str:
    names = foreign_options(section.network, section.options)
    what = f"{listing(names)}: of other networks, and not used by {section.network}"
    return f"train.options has {what}" if names else ""
