"""From a source to what learns: contract, weights, adapters, what is frozen, cached features."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from layerline.artifacts import SourceFiles, Workspace, read_json_as
from layerline.config import TrainSection, TransferSection
from layerline.networks.serialization import NetworkSpec
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.cleanup import prune
from layerline.training.dataset import TrainingData
from layerline.training.device import choose_device, dtype_of
from layerline.training.fine_tuning import FineTuning
from layerline.training.learner import Learner
from layerline.training.transfer.adapters import add_adapters, merge_adapters
from layerline.training.transfer.compatibility import check_contract
from layerline.training.transfer.depth import head_of
from layerline.training.transfer.feature_cache import cached_features, ends_in_head, features_key
from layerline.training.transfer.selection import choose_fine_tuning
from layerline.training.transfer.source_weights import Source, read_source
from layerline.training.transfer.weight_loading import Entry, Loader

KEEP_BYTES = 4 << 30  # of features


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a training would start from, and what would learn in it."""

    source: Source
    fine_tuning: FineTuning
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]  # of numbers: frozen, learning, and of the learning ones new

    def to_json(self) -> dict[str, Any]:
        """All of it but whose run it was: equal trainings give equal bytes wherever they ran."""
        identity, first_epochs = self.source.identity, self.fine_tuning.first_epochs
        return {
            "source": {key: identity[key] for key in ("from", "sha256") if key in identity},
            "notes": list(self.notes),
            "counts": dict(self.counts),
            "weights": [
                {**entry.to_json(), "learns_from_epoch": first_epochs.get(entry.name)}
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
        network: built as `spec` specifies; changed in place.
        spec: the network that is to be trained.
        preprocessor: models/preprocessor of the new data.

    Raises:
        ParamsError: what does not fit, all at once.
        SourceError: the source is damaged, or not what params.yaml specifies.
    """
    source = read_source(files, section.sha256)
    here = read_json_as(preprocessor / "preprocessor.json", Preprocessor.from_json)
    agreement = check_contract(section, source, spec, here)
    loaded, entries = Loader(section, source, network, spec, agreement).load()
    if section.adapters is not None:
        add_adapters(network, section.adapters)
        entries += _adapter_entries(network)
    fine_tuning = choose_fine_tuning(section, network, loaded)
    fine_tuning.freeze(network)
    counts = _counts(network, fine_tuning, entries)
    return Plan(source, fine_tuning, tuple(entries), agreement.notes, counts)


def _adapter_entries(network: nn.Module) -> list[Entry]:
    return [
        Entry(name, tuple(value.shape), "new", "an adapter's", value.numel())
        for name, value in network.named_parameters()
        if ".parametrizations.weight.0." in name
    ]


def _counts(
    network: nn.Module, fine_tuning: FineTuning, entries: Sequence[Entry]
) -> dict[str, int]:
    sizes = {name: value.numel() for name, value in network.named_parameters()}
    n_learning = sum(size for name, size in sizes.items() if name in fine_tuning.first_epochs)
    return {
        "parameters": sum(sizes.values()),
        "frozen": sum(sizes.values()) - n_learning,
        "learning": n_learning,
        "new": sum(entry.n_new for entry in entries),
    }


def report_plan(plan: Plan, report: Callable[[str], None]) -> None:
    """Report what was taken from where, weight by weight."""
    identity = ", ".join(f"{key} {value}" for key, value in plan.source.identity.items())
    report(f"starts {identity}")  # the first is `from`
    for note in plan.notes:
        report(f"note: {note}")
    for line in table(plan):
        report("  ".join(line))
    report(", ".join(f"{count:,} {name}" for name, count in plan.counts.items()))


def table(plan: Plan) -> list[tuple[str, str, str, str, str]]:
    """A line a weight: name, shape, status, when it learns, note."""
    lines = []
    for entry in plan.entries:
        first = plan.fine_tuning.first_epochs.get(entry.name)
        learns = "frozen" if first is None else "learns" if first == 1 else f"from epoch {first}"
        if entry.status == "skipped":
            learns = ""
        shape = " × ".join(map(str, entry.shape)) or "1"
        lines.append((entry.name, shape, entry.status, learns, entry.note))
    return lines


class FeatureCache(NamedTuple):
    """The folder where features are kept, and what else than weights they depend on."""

    folder: Path
    about: Mapping[str, Any]


def start_learner(
    plan: Plan,
    section: TrainSection,
    learner: Learner,
    cache: FeatureCache,
    report: Callable[[str], None],
) -> Learner:
    """What is trained: the network, or for a frozen backbone its head alone, on cached features.

    Args:
        plan: as `make_plan` made it for this network.
        section: train, its precision settled.
        learner: the network with its known weights, and the data.
        cache: of features.
        report: passes messages to the user.
    """
    transfer = section.transfer
    assert transfer is not None
    network, data = learner.network, learner.data
    learner = dataclasses.replace(learner, fine_tuning=plan.fine_tuning, origin=plan.to_json())
    learner = dataclasses.replace(learner, merge=merge_adapters)
    if transfer.mode != "feature_extraction" or not transfer.cache:
        return learner
    if section.augment:
        report("note: with augmentation no two epochs see the same rows, so no features are kept")
        return learner
    if not ends_in_head(network, data.train.x[:2]):
        report("note: this network does not end in its head, so no features are kept")
        return learner
    features = _read_features(network, data, section, cache, report)
    head = network.get_submodule(head_of(network))
    part = nn.Sequential()
    part.add_module("head", head)
    first_epochs = {f"head.{name}": 1 for name, _ in head.named_parameters()}
    fine_tuning = FineTuning(first_epochs=first_epochs)
    return Learner(network, features, fine_tuning, plan.to_json(), part=part)


def _read_features(
    network: nn.Module,
    data: TrainingData,
    section: TrainSection,
    cache: FeatureCache,
    report: Callable[[str], None],
) -> TrainingData:
    """The backbone's features of both splits, computed or read from the cache."""
    device, precision = choose_device(section.device), dtype_of(section)
    about = {**cache.about, "device": device.type, "precision": str(precision)}
    key = features_key(network, about)
    rows = (data.train, data.valid)
    found = cached_features(cache.folder / key, network, rows, device, precision)
    train, valid, was_there = found
    for name in prune(cache.folder, keep_bytes=KEEP_BYTES):
        report(f"features {name[:12]} were removed: not used for long, or too large in total")
    report(
        f"features of {len(train):,} + {len(valid):,} rows "
        + ("read from" if was_there else "computed and kept in")
        + f" {cache.folder.name}/{key[:12]}"
    )
    return dataclasses.replace(data, train=train, valid=valid)


def features_folder(workspace: Workspace) -> Path:
    """Where features are kept, of the main checkout."""
    return workspace.home / ".layerline" / "features"
