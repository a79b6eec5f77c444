"""What starting from known weights is worth, measured on real data: a Markdown table a sub-command.

    python benchmarks/transfer.py fashion --data FOLDER           half of the classes, then the rest
    python benchmarks/transfer.py fashion-reversed --data FOLDER  the other half first
    python benchmarks/transfer.py digits --data FOLDER            MNIST, then scikit-learn's digits
    python benchmarks/transfer.py table --tables FOLDER           diamonds, then 500 of another cut
    python benchmarks/transfer.py cache                           resnet18, features kept or not

With --output FOLDER also cells.csv and the curve, as `layerline study transfer` writes them.
FOLDER holds the IDX files (of Fashion-MNIST or MNIST), or diamonds.parquet. Gains are paired: the
same rows and seed, from scratch and not. What is chosen here was chosen on train rows alone.
"""

import argparse
import dataclasses
import gzip
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from layerline.artifacts import SourceFiles
from layerline.config import Component, TrainSection, TransferSection
from layerline.networks.serialization import NetworkSpec, save_network
from layerline.studies.study_report import Study, write_study
from layerline.studies.trial import Cell, Mode
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import Listener
from layerline.training.inference import predict
from layerline.training.learner import Learner
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.transfer.adapters import merge_adapters
from layerline.training.transfer.compatibility import Agreement
from layerline.training.transfer.feature_cache import cached_features
from layerline.training.transfer.selection import choose_fine_tuning
from layerline.training.transfer.source_weights import Source, read_source
from layerline.training.transfer.weight_loading import Loader

SEEDS = 5
STEPS = 300  # of each training, whatever its rows
TRANSFERS: dict[Mode, dict[str, Any] | None] = {
    "scratch": None,
    "feature_extraction": {"mode": "feature_extraction", "cache": False},
    "fine_tune": {"head_epochs": 5, "rate_decay": 0.7},
}


def section(
    epochs: int, batch_size: int = 32, rate: float = 1e-3, augment: tuple[Component, ...] = ()
) -> TrainSection:
    return TrainSection(
        batch_size=batch_size,
        epochs=epochs,
        device="cpu",
        optimizer=Component(name="adamw", options={"learning_rate": rate}),
        early_stopping=None,
        augment=augment,
    )


def train(
    spec: NetworkSpec, rows: Rows, chosen: TrainSection, source: Source | None, seed: int
) -> nn.Module:
    prepare_torch(seed, 1)
    network = spec.build()
    learner = Learner(network, TrainingData.of(rows, rows, spec.task))
    if source is not None:
        assert chosen.transfer is not None
        agreement = Agreement(None, ())
        loaded, _ = Loader(chosen.transfer, source, network, spec, agreement).load()
        fine_tuning = choose_fine_tuning(chosen.transfer, network, loaded)
        fine_tuning.freeze(network)
        learner = Learner(network, learner.data, fine_tuning, None, merge_adapters)
    training = Training([Member(network, seed)], learner.data, chosen, learner.fine_tuning)
    training.run(Listener())
    return network


def pretrained(spec: NetworkSpec, rows: Rows, chosen: TrainSection, folder: Path) -> Source:
    network = train(spec, rows, chosen, None, 0)
    save_network(folder, network, spec)
    return read_source(SourceFiles(folder / "network.safetensors", folder / "spec.json"))


def compare(
    spec: NetworkSpec,
    source: Source,
    pick: Callable[[int, np.random.Generator], Rows],
    test: Rows,
    sizes: Sequence[int],
    score: Callable[[Tensor, Tensor], float],
) -> Study:
    """Print a line a size: mean and 95 % interval of the score over seeds, and paired gains."""
    figure, unit = ("R²", "rows") if score is explained else ("accuracy", "rows a class")
    study = Study("transfer", "known weights", figure, unit, STEPS, {})
    figures: dict[Cell, float] = {}
    for size in sizes:
        for seed in range(SEEDS):
            rows = pick(size, np.random.default_rng(seed))
            # Epochs of as many steps as there are batches: all have the same time to learn.
            epochs = max(1, round(STEPS / math.ceil(len(rows) / 32)))
            for mode, transfer in TRANSFERS.items():
                chosen = section(epochs)
                if transfer is not None:
                    how = TransferSection(source="x", **transfer)
                    chosen = dataclasses.replace(chosen, transfer=how)
                found = train(spec, rows, chosen, source if transfer else None, seed)
                figures[Cell(mode, size, seed)] = score(predict(found, test.x), test.y)
        study = dataclasses.replace(study, figures=dict(figures))
        header, lines = study.table()
        if size == sizes[0]:
            print("| " + " | ".join(header) + " |\n" + "|---:" * len(header) + "|")
        print("| " + " | ".join(lines[-1]) + " |", flush=True)
    return study


def accuracy(outputs: Tensor, y: Tensor) -> float:
    return float((outputs.argmax(1) == y).double().mean())


def explained(outputs: Tensor, y: Tensor) -> float:
    """R²."""
    return 1 - float((outputs.view_as(y) - y).square().mean() / y.var(correction=0))


def read_idx(folder: Path, name: str) -> np.ndarray:
    with gzip.open(folder / f"{name}.gz") as file:
        content = file.read()
    shape = np.frombuffer(content[4 : 4 + 4 * content[3]], ">i4")
    return np.frombuffer(content[4 + 4 * content[3] :], np.uint8).reshape(tuple(shape))


def read_images(folder: Path, part: str) -> Rows:
    pixels = read_idx(folder, f"{part}-images-idx3-ubyte").astype(np.float32)
    labels = read_idx(folder, f"{part}-labels-idx1-ubyte").astype(np.int64)
    return Rows(torch.from_numpy((pixels[:, None] - 72) / 90), torch.from_numpy(labels))


def only(rows: Rows, classes: Sequence[int]) -> Rows:
    keep = torch.isin(rows.y, torch.tensor(list(classes)))
    return Rows(rows.x[keep], rows.y[keep] - min(classes))


def each(rows: Rows) -> Callable[[int, np.random.Generator], Rows]:
    """Draw so many rows of each class."""

    def pick(size: int, random: np.random.Generator) -> Rows:
        labels = rows.y.numpy()
        chosen = [
            random.choice(np.flatnonzero(labels == k), size, replace=False)
            for k in np.unique(labels)
        ]
        at = torch.from_numpy(np.concatenate(chosen))
        return Rows(rows.x[at], rows.y[at])

    return pick


def images(classes: tuple[str, ...], side: int = 28) -> NetworkSpec:
    options = {"channels": [16, 32, 64], "dropout": 0.1}
    return NetworkSpec("cnn", options, (1, side, side), len(classes), "multiclass", classes)


def fashion(data: Path, folder: Path, known: range = range(5), new: range = range(5, 10)) -> Study:
    train_rows, test = read_images(data, "train"), read_images(data, "t10k")
    moved = (Component(name="shift"), Component(name="flip"))
    spec = images(tuple(map(str, known)))
    source = pretrained(spec, only(train_rows, known), section(6, 64, augment=moved), folder)
    pick, spec = each(only(train_rows, new)), images(tuple(map(str, new)))
    return compare(spec, source, pick, only(test, new), (10, 50, 200), accuracy)


def fashion_reversed(data: Path, folder: Path) -> Study:
    return fashion(data, folder, range(5, 10), range(5))


def digits(data: Path, folder: Path) -> Study:
    from sklearn.datasets import load_digits

    mnist = read_images(data, "train")
    # The digit alone, 20 × 20 of MNIST's pixels, on 8 × 8: theirs fill the picture, too.
    small = torch.nn.functional.interpolate(
        mnist.x[:, :, 4:24, 4:24], size=(8, 8), mode="bilinear", antialias=True
    )
    classes = tuple("0123456789")
    rows = Rows((small - small.mean()) / small.std(), mnist.y)
    source = pretrained(images(classes, 8), rows, section(4, 64), folder)
    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels.astype(np.float32)).view(-1, 1, 8, 8)
    everything = Rows((x - x.mean()) / x.std(), torch.from_numpy(labels.astype(np.int64)))
    train_rows = Rows(everything.x[:900], everything.y[:900])
    test = Rows(everything.x[900:], everything.y[900:])
    return compare(images(classes, 8), source, each(train_rows), test, (5, 10, 50), accuracy)


def table(tables: Path, folder: Path) -> Study:
    """Diamonds of all cuts but `Fair`, then a sample of `Fair`: the logarithm of the price."""
    import pandas as pd

    frame = pd.read_parquet(tables / "diamonds.parquet")
    price = next(name for name in frame if name.lower() == "price")
    cut = frame["cut"].astype(str)
    y = np.log(frame[price].to_numpy(np.float64))
    features = pd.get_dummies(frame.drop(columns=[price, "cut"])).to_numpy(np.float64)
    is_new = (cut == "Fair").to_numpy()
    center, scale = features[~is_new].mean(0), features[~is_new].std(0) + 1e-9
    x = torch.from_numpy(((features - center) / scale).astype(np.float32))
    target = torch.from_numpy(((y - y[~is_new].mean()) / y[~is_new].std()).astype(np.float32))
    options = {"hidden": [128, 64], "dropout": 0.0}
    spec = NetworkSpec("mlp", options, (x.shape[1],), 1, "regression")
    old = torch.from_numpy(np.flatnonzero(~is_new))
    source = pretrained(spec, Rows(x[old], target[old]), section(8, 256), folder)
    new = np.random.default_rng(0).permutation(np.flatnonzero(is_new))
    pool, held = new[: len(new) // 2], torch.from_numpy(new[len(new) // 2 :])

    def pick(size: int, random: np.random.Generator) -> Rows:
        at = torch.from_numpy(random.choice(pool, size, replace=False))
        return Rows(x[at], target[at])

    return compare(spec, source, pick, Rows(x[held], target[held]), (50, 150, 500), explained)


def cache(folder: Path, n_rows: int = 5000) -> None:
    """resnet18 on images of 64 × 64, frozen: an epoch with the backbone, and on its features."""
    prepare_torch(0, 2)
    classes = tuple("0123456789")
    spec = NetworkSpec("torchvision:resnet18", {}, (3, 64, 64), 10, "multiclass", classes)
    y = torch.arange(n_rows) % 10
    rows = Rows(torch.randn(n_rows, 3, 64, 64) + y.view(-1, 1, 1, 1) / 5, y)
    valid = Rows(rows.x[:256], y[:256])
    weights = spec.build().state_dict()
    seconds, heads = {}, {}
    for name in ("each epoch", "kept"):
        torch.manual_seed(1)
        network = spec.build()
        network.load_state_dict(weights)
        how = TransferSection(source="x", mode="feature_extraction")
        fine_tuning = choose_fine_tuning(
            how, network, {n: w for n, w in weights.items() if "fc" not in n}
        )
        fine_tuning.freeze(network)
        learner, parts = network, (rows, valid)
        started = time.perf_counter()
        if name == "kept":
            *parts, _ = cached_features(
                folder / "features", network, parts, torch.device("cpu"), torch.float32
            )
            once = time.perf_counter() - started
            learner, fine_tuning = nn.Sequential(), None
            learner.add_module("head", network.get_submodule("fc"))
        chosen = section(2, 128)
        marks = [time.perf_counter()]
        data = TrainingData.of(*parts, "multiclass")
        training = Training([Member(learner, 0)], data, chosen, fine_tuning)
        training.run(
            Listener(on_epoch=lambda record, marks=marks: marks.append(time.perf_counter()))
        )
        seconds[name] = min(np.diff(marks))
        heads[name] = network.get_parameter("fc.weight").detach().clone()
    distance = float((heads["each epoch"] - heads["kept"]).abs().max())
    print(f"| resnet18, {n_rows:,} images of 64 × 64 | seconds an epoch |\n|---|---|")
    print(f"| the backbone runs each epoch | {seconds['each epoch']:.2f} |")
    print(f"| features kept | {seconds['kept']:.4f} (once: {once:.1f} s) |")
    print(f"| times faster | {seconds['each epoch'] / seconds['kept']:.0f} |")
    print(f"| largest difference of the head's weights | {distance:.1e} |")


STUDIES = {"fashion": fashion, "fashion-reversed": fashion_reversed, "digits": digits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=(*STUDIES, "table", "cache"))
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--tables", type=Path, default=Path("tables"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.what == "cache":
            cache(folder)
            return
        if arguments.what == "table":
            study = table(arguments.tables, folder)
        else:
            study = STUDIES[arguments.what](arguments.data, folder)
    if arguments.output is not None:
        write_study(arguments.output, study)


if __name__ == "__main__":
    main()
