"""How benchmarks/training.py sets up a training and lets it take turns with something else."""

import dataclasses
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from training_images import Images

from layerline.config import Component, TrainSection
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import EpochRecord, Listener
from layerline.training.loop import Training
from layerline.training.member import Member

HIDDEN = (500, 300)
PLAIN = {"norm": "none", "dropout": 0.0}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the command line says."""

    images: Images
    rounds: int
    threads: int

    @property
    def clock(self) -> Callable[[], float]:
        return time.process_time if self.threads == 1 else time.perf_counter


def section(batch_size: int, epochs: int, **changes: object) -> TrainSection:
    first = TrainSection(
        options={"hidden": list(HIDDEN), **PLAIN},
        optimizer=Component(name="adam"),
        schedule=Component(name="constant"),
        batch_size=batch_size,
        epochs=epochs,
        early_stopping=None,
        precision="auto",
    )
    return dataclasses.replace(first, **changes)


def start(setting: Setting, chosen: TrainSection, flat: bool = True) -> Training:
    prepare_torch(0, setting.threads)
    train, test = (rows(setting.images, split, flat) for split in ("train", "test"))
    network = build_network(
        chosen.network, chosen.options, input_shape=tuple(train.x.shape[1:]), d_out=10
    )
    return Training([Member(network, 0)], TrainingData.of(train, test, "multiclass"), chosen)


def rows(images: Images, split: str, flat: bool) -> Rows:
    x, y = images.scaled(split)
    return Rows(x.flatten(1) if flat else x, y)


def take_turns(
    clock: Callable[[], float], training: Training, theirs: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """Seconds of our epochs, each followed by one call of theirs; the first is a warm-up."""
    mine: list[float] = []
    its: list[float] = []
    started = clock()

    def turn(record: EpochRecord) -> None:
        nonlocal started
        mine.append(clock() - started)
        started = clock()
        theirs()
        its.append(clock() - started)
        started = clock()

    training.run(Listener(on_epoch=turn))
    return mine[1:], its[1:]


def ratio(mine: list[float], its: list[float]) -> float:
    return statistics.median(b / a for a, b in zip(mine, its, strict=True))


def show(what: str, ours: float, theirs: float, figure: float, bar: str) -> None:
    print(f"| {what} | {ours:.4g} | {theirs:.4g} | {figure:.2f} | {bar} |", flush=True)


def accuracy(network: nn.Module, images: Images, flat: bool) -> float:
    test = rows(images, "test", flat)
    with torch.inference_mode():
        return float((network.eval()(test.x).argmax(1) == test.y).double().mean())


def time_steps(setting: Setting, training: Training) -> Callable[[], float]:
    """Count the seconds inside steps; the result tells them since its last call."""
    take, spent = training.session.take, 0.0

    def timed(train: Rows, batches: tuple[Tensor, ...]) -> Tensor:
        nonlocal spent
        started = setting.clock()
        loss = take(train, batches)
        spent += setting.clock() - started
        return loss

    def since() -> float:
        nonlocal spent
        seconds, spent = spent, 0.0
        return seconds

    training.session.take = timed  # type: ignore[method-assign]
    return since
