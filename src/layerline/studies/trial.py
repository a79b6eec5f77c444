"""One training of a study: its number of rows, mode and seed, and its test metric."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from layerline.artifacts import SourceFiles, Workspace, read_manifest, sha256_of
from layerline.artifacts.temporary import temporary_folder
from layerline.config import Params, TrainSection, TransferSection
from layerline.errors import ParamsError, Problem
from layerline.evaluation.metrics import measure
from layerline.evaluation.row_predictions import predict_rows
from layerline.networks.embeddings import fit_embeddings
from layerline.networks.serialization import NetworkSpec
from layerline.training.dataset import Rows, TrainingData, load_rows
from layerline.training.device import choose_threads, prepare_torch, settle_precision
from layerline.training.epoch_records import Listener
from layerline.training.learner import Learner
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.network_spec import build_spec, describe_data
from layerline.training.snapshots import training_key
from layerline.training.transfer.start import FeatureCache, make_plan, start_learner

Mode = Literal["scratch", "feature_extraction", "fine_tune"]
MODES: tuple[Mode, ...] = ("scratch", "feature_extraction", "fine_tune")


class Cell(NamedTuple):
    """A training: mode, rows per class (regression: rows), number of the seed from 0."""

    mode: Mode
    size: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.mode}-{self.size}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Bench:
    """What all cells share: params, data and the transfer source."""

    workspace: Workspace
    params: Params
    source: SourceFiles
    data: Mapping[str, Any]
    spec: NetworkSpec
    train: Rows
    test: Rows
    n_steps: int

    @property
    def figure(self) -> str:
        """The metric to compare: accuracy, or RMSE in the user's unit."""
        return "rmse" if self.spec.classes is None else "accuracy"

    @property
    def key(self) -> str:
        """A hash of everything that determines a cell's metric, except the cell itself."""
        files = (self.source.weights, self.source.spec, self.source.preprocessor)
        facts = {
            "data": self.data["files"],
            "train": dataclasses.asdict(self.params.train),
            "seed": self.params.seed,
            "threads": self.params.threads,
            "n_steps": self.n_steps,
            "source": [None if file is None else sha256_of(file) for file in files],
        }
        return training_key(facts)


def open_bench(workspace: Workspace, params: Params, source: SourceFiles, n_steps: int) -> Bench:
    """Read data/scaled.

    Raises:
        SourceError: the data are missing or damaged.
        ParamsError: a component of `train` does not fit the data.
    """
    data = read_manifest(workspace.scaled)
    train, test = (load_rows(workspace.scaled, split) for split in ("train", "test"))
    spec = build_spec(params, data, describe_data(data, train))
    if spec.targets:
        message = "names several, and a transfer is compared on one; name one"
        raise ParamsError([Problem("fetch.target", message)])
    return Bench(workspace, params, source, data, spec, train, test, n_steps)


def require_rows(bench: Bench, size: int) -> None:
    """Check that there are enough train rows.

    Raises:
        ParamsError: a class has too few.
    """
    if bench.spec.classes is None:
        counts, names = [len(bench.train)], ["the table"]
    else:
        n_classes = len(bench.spec.classes)
        counts = torch.bincount(bench.train.y, minlength=n_classes).tolist()
        names = [f"class {label!r}" for label in bench.spec.classes]
    fewest, name = min(zip(counts, names, strict=True))
    if fewest < size:
        message = f"{size} rows are requested, but {name} has {fewest} train rows; reduce --rows"
        raise ParamsError([Problem("--rows", message)], "layerline study transfer")


def draw(bench: Bench, cell: Cell) -> Rows:
    """The cell's rows: equal for every mode, and supersets of those of smaller sizes."""
    random = np.random.default_rng([bench.params.seed, cell.seed])
    y = bench.train.y.numpy()
    if bench.spec.classes is None:
        chosen: NDArray[np.intp] = random.permutation(len(y))[: cell.size]
    else:
        order = random.permutation(len(y))
        chosen = np.concatenate(
            [order[y[order] == k][: cell.size] for k in range(len(bench.spec.classes))]
        )
    at = torch.from_numpy(np.sort(chosen))
    return Rows(bench.train.x[at], bench.train.y[at])


def train_cell(bench: Bench, cell: Cell) -> float:
    """Train on the cell's rows and measure on all test rows.

    No other label is used: there is no early stopping, the last weights are kept. All cells take
    about the same number of steps.
    """
    rows, seed = draw(bench, cell), bench.params.seed + cell.seed
    section = _section(bench, cell, len(rows))
    prepare_torch(seed, 1)
    network = bench.spec.build()
    fit_embeddings(network, rows.x)
    threads = choose_threads(
        bench.params.threads, network, bench.spec.input_shape, section.batch_size
    )
    torch.set_num_threads(threads)
    section = settle_precision(section, network, bench.spec.input_shape, bench.spec.task)
    # Cached features of a frozen backbone are of these rows only: not worth keeping.
    with temporary_folder() as folder:
        data = TrainingData(rows, rows, bench.spec.task, describe_data(bench.data, rows))
        learner = Learner(network, data)
        if section.transfer is not None:
            preprocessor = bench.workspace.preprocessor
            plan = make_plan(section.transfer, bench.source, network, bench.spec, preprocessor)
            cache = FeatureCache(folder, {})
            learner = start_learner(plan, section, learner, cache, _quietly)
        member = Member(learner.trained, seed)
        Training([member], learner.data, section, learner.fine_tuning).run(Listener())
    learner.merge(network)
    return measure(predict_rows(network.to("cpu"), bench.spec, bench.test))[bench.figure]


def _section(bench: Bench, cell: Cell, n_rows: int) -> TrainSection:
    section, transfer = bench.params.train, bench.params.train.transfer
    assert transfer is not None
    if cell.mode == "scratch":
        chosen = None
    elif cell.mode == transfer.mode:
        chosen = dataclasses.replace(transfer, forgetting=None)
    else:
        shared = ("source", "sha256", "columns", "skip", "head")
        given: dict[str, Any] = {name: getattr(transfer, name) for name in shared}
        chosen = TransferSection(**given, mode=cell.mode)
    steps = math.ceil(n_rows / (section.batch_size * section.accumulate))
    return dataclasses.replace(
        section,
        epochs=max(1, round(bench.n_steps / steps)),
        early_stopping=None,
        members=None,
        transfer=chosen,
    )


def _quietly(text: str) -> None:
    return None
