"""What a training is made of, read from a workspace: arrays, the network's spec, seed, threads."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from layerline.artifacts import Workspace, read_manifest
from layerline.config import Params, TrainSection
from layerline.networks.serialization import NetworkSpec
from layerline.training.dataset import Rows, load_rows
from layerline.training.device import choose_device, choose_threads, prepare_torch, settle_precision
from layerline.training.network_spec import build_spec, describe_data
from layerline.training.objectives import TargetFacts


@dataclasses.dataclass(frozen=True)
class Material:
    """What every seed learns from. Equal material gives equal bytes on one kind of machine.

    `section` is train with its precision settled; `files` are those of data/scaled, with hashes.
    """

    train: Rows
    valid: Rows
    section: TrainSection
    spec: NetworkSpec
    facts: TargetFacts
    seed: int
    threads: int
    files: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def build(self, seed: int) -> nn.Module:
        """A network with the weights of that seed; torch's generator goes on from there."""
        prepare_torch(seed, self.threads)
        return self.spec.build()

    def identity(self) -> dict[str, Any]:
        """All of it that decides bytes, as JSON values."""
        return {
            "data": self.files,
            "train": dataclasses.asdict(self.section),
            "seed": self.seed,
            "threads": self.threads,
            "device": choose_device(self.section.device).type,
            "is_streamed": self.train.is_streamed,
        }

    def about(self, kept_epoch: int) -> dict[str, Any]:
        """What the manifest of models/network says of a training, beside its files."""
        return {
            "kept_epoch": kept_epoch,
            "threads": self.threads,
            "precision": self.section.precision,
            "is_streamed": self.train.is_streamed,
        }


def read_material(workspace: Workspace, params: Params) -> tuple[Material, nn.Module]:
    """Read data/scaled; choose threads and precision; also the network with the seed's weights.

    Raises:
        SourceError: data/scaled is missing or damaged.
        ParamsError: a component is not known or does not fit the task.
    """
    data = read_manifest(workspace.scaled)
    train, valid = (load_rows(workspace.scaled, split) for split in ("train", "valid"))
    facts = describe_data(data, train)
    spec = build_spec(params, data, facts)
    prepare_torch(params.seed, 1)
    network = spec.build()
    at_once = len(train) if params.train.takes_all_rows else params.train.batch_size
    threads = choose_threads(params.threads, network, spec.input_shape, at_once)
    torch.set_num_threads(threads)
    section = settle_precision(params.train, network, spec.input_shape, spec.task)
    files = data["files"]
    return Material(train, valid, section, spec, facts, params.seed, threads, files), network
