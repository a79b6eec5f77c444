"""From a source to what learns: contract, weights, adapters, what is frozen, cached features."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from layerline.artifacts import SourceFiles, Workspace, read_json
from layerline.config import TrainSection, TransferSection
from layerline.networks.serialization import NetworkSpec
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.cleanup import prune
from layerline.training.dataset import Rows
from layerline.training.device import choose_device, dtype_of
from layerline.training.trainable import Learner, Learning
from layerline.training.transfer.adapters import add_adapters, merge_adapters
from layerline.training.transfer.compatibility import check_contract
from layerline.training.transfer.depth import head_of
from layerline.training.transfer.feature_cache import cached_features, ends_in_head, features_key
from layerline.training.transfer.selection import choose_learning
from layerline.training.transfer.source_weights import Source, read_source
from layerline.training.transfer.weight_loading import Entry, Loader

KEEP_BYTES = 4 << 30  # of features


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a training would start from, and what would learn in it."""

    source: Source
    learning: Learning
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]  # of numbers: frozen, learning, and of the learning ones new

    def to_json(self) -> dict[str, Any]:
        """All of it but whose run it was: equal trainings give equal bytes wherever they ran."""
        identity = self.source.identity
        return {
            "source": {key: identity[key] for key in ("from", "sha256") if key in identity},
            "notes": list(self.notes),
            "counts": dict(self.counts),
            "weights": [
                {**entry.to_json(), "learns_from_epoch": self.learning.first_epochs.get(entry.name)}
                for entry in self.entries
            ],
        }


def make_plan(
    section: TransferSection,
    files: SourceFiles,
    network: nn.Module,
    spec: NetworkSpec,
    preprocessor: Path,
) -> Plan:
    """Check the contract, load the weights into `network` and freeze what does not learn.

    Args:
        section: train.transfer.
        files: where the source is.
        network: built as `spec` says; changed in place.
        spec: the network that is to be trained.
        preprocessor: models/preprocessor of the new data.

    Raises:
        ParamsError: what does not fit, all at once.
        SourceError: the source is damaged, or not what params.yaml says.
    """
    source = read_source(files, section.sha256)
    here = Preprocessor.from_json(read_json(preprocessor / "preprocessor.json"))
    agreement = check_contract(section, source, spec, here)
    loaded, entries = Loader(section, source, network, spec, agreement).load()
    if section.adapters is not None:
        add_adapters(network, section.adapters)
        entries += _adapter_entries(network)
    learning = choose_learning(section, network, loaded)
    learning.freeze(network)
    counts = _counts(network, learning, entries)
    return Plan(source, learning, tuple(entries), agreement.notes, counts)


def _adapter_entries(network: nn.Module) -> list[Entry]:
    return [
        Entry(name, tuple(value.shape), "new", "an adapter's", value.numel())
        for name, value in network.named_parameters()
        if ".parametrizations.weight.0." in name
    ]


def _counts(network: nn.Module, learning: Learning, entries: Sequence[Entry]) -> dict[str, int]:
    sizes = {name: value.numel() for name, value in network.named_parameters()}
    n_learning = sum(size for name, size in sizes.items() if name in learning.first_epochs)
    return {
        "parameters": sum(sizes.values()),
        "frozen": sum(sizes.values()) - n_learning,
        "learning": n_learning,
        "new": sum(entry.n_new for entry in entries),
    }


def tell_plan(plan: Plan, say: Callable[[str], None]) -> None:
    """Say what was taken from where, weight by weight."""
    identity = ", ".join(f"{key} {value}" for key, value in plan.source.identity.items())
    say(f"starts {identity}")  # the first is `from`
    for note in plan.notes:
        say(f"note: {note}")
    for line in table(plan):
        say("  ".join(line))
    say(", ".join(f"{count:,} {name}" for name, count in plan.counts.items()))


def table(plan: Plan) -> list[tuple[str, str, str, str, str]]:
    """A line a weight: name, shape, status, when it learns, note."""
    lines = []
    for entry in plan.entries:
        first = plan.learning.first_epochs.get(entry.name)
        learns = "frozen" if first is None else "learns" if first == 1 else f"from epoch {first}"
        if entry.status == "skipped":
            learns = ""
        shape = " × ".join(map(str, entry.shape)) or "1"
        lines.append((entry.name, shape, entry.status, learns, entry.note))
    return lines


def start_learner(
    plan: Plan,
    section: TrainSection,
    network: nn.Module,
    rows: tuple[Rows, Rows],
    cache: tuple[Path, Mapping[str, Any]],
    say: Callable[[str], None],
) -> Learner:
    """What is trained: the network, or for a frozen backbone its head alone, on cached features.

    Args:
        plan: as `make_plan` made it for this network.
        section: train, its precision settled.
        network: with its known weights.
        rows: train and valid.
        cache: where features are kept, and what else than weights they depend on.
        say: tells the user.
    """
    assert section.transfer is not None
    learner = Learner(network, *rows, plan.learning, plan.to_json(), merge_adapters)
    if section.transfer.mode != "feature_extraction" or not section.transfer.cache:
        return learner
    if section.augment:
        say("note: with augmentation no two epochs see the same rows, so no features are kept")
        return learner
    if not ends_in_head(network, rows[0].x[:2]):
        say("note: this network goes on after its head, so no features are kept")
        return learner
    device = choose_device(section.device)
    precision = dtype_of(section)
    parent, about = cache
    key = features_key(network, {**about, "device": device.type, "precision": str(precision)})
    train, valid, was_there = cached_features(parent / key, network, rows, device, precision)
    for name in prune(parent, keep_bytes=KEEP_BYTES):
        say(f"features {name[:12]} were removed: not used for long, or too large together")
    say(
        f"features of {len(train):,} + {len(valid):,} rows "
        + ("were there already" if was_there else "computed and kept")
        + f" in {parent.name}/{key[:12]}"
    )
    path = head_of(network)
    alone = nn.Sequential()
    alone.add_module("head", network.get_submodule(path))
    names = {f"head.{n}": 1 for n, _ in network.get_submodule(path).named_parameters()}
    learning = Learning(first_epochs=names)
    return Learner(alone, train, valid, learning, plan.to_json())


def features_folder(workspace: Workspace) -> Path:
    """Where features are kept, of the main checkout."""
    return workspace.home / ".layerline" / "features"
