"""The arrays a network learns from: tensors on the device, or on disk when they are too large."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from layerline.config import TrainSection
from layerline.training.machine import memory_bytes
from layerline.training.objectives import Loss, TargetFacts, build_loss, describe_targets

SPLITS = ("train", "valid", "test")
MEMORY_SHARE = 0.5  # of memory, for one array
_OPTIONAL = ("actual", "weight")  # arrays beside x and y


@dataclasses.dataclass(frozen=True)
class Rows:
    """One split: `x` (B, F) or (B, C, H, W) float32, `y` (B,) int64 classes or float32 targets.

    Several targets are (B, T) float32.
    Streamed rows are larger than the memory and mapped from a file; their order in an epoch goes
    by blocks. Rows that a GPU has no room for stay in main memory; batches go to where `y` is.
    """

    x: Tensor
    y: Tensor
    is_streamed: bool = False
    actual: Tensor | None = None  # (B,) float64: numbers that cannot be read back from `y`
    weights: Tensor | None = None  # (B,) float64, above 0: what each row counts

    @functools.cached_property
    def targets(self) -> Tensor:
        """What a loss is given: `y`; with weights (B, 2) `y` and the weight, of mean 1."""
        if self.weights is None:
            return self.y
        weights = self.weights / self.weights.mean()
        return torch.stack([self.y.float(), weights.float().to(self.y.device)], 1)

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> "Rows":
        """The same rows on another device, as far as it has room for them."""
        stays = self.is_streamed or not _fits(self.x, device)
        x = self.x if stays else self.x.to(device)
        return Rows(x, self.y.to(device), self.is_streamed, weights=self.weights)

    @property
    def is_elsewhere(self) -> bool:
        """Whether batches have a way to go: to the device where the targets are."""
        return self.x.device != self.y.device

    def cast(self, precision: torch.dtype) -> "Rows":
        """The same rows with `x` in a narrower type, when there is room for both."""
        needed = self.x.nbytes * precision.itemsize // self.x.dtype.itemsize
        if self.is_streamed or self.x.dtype == precision or not _has_room(needed, self.x.device):
            return self
        return dataclasses.replace(self, x=self.x.to(precision))

    def at(self, places: Tensor) -> "Rows":
        """The rows at these positions (B,)."""
        actual, weights = (
            None if kept is None else kept[places] for kept in (self.actual, self.weights)
        )
        return Rows(self.x[places], self.y[places], actual=actual, weights=weights)

    def take(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The rows at the positions `batch` (B,), which lie on `positions_device`."""
        y = self.targets.index_select(0, batch.to(self.y.device))
        return self.x.index_select(0, batch).to(y.device), y

    @property
    def positions_device(self) -> torch.device:
        """Where the rows are taken from."""
        return self.x.device


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a training learns from and is measured on, and what a loss may know of the targets.

    `monotone` (F,) has 1 for an input with which the prediction may only rise, -1 for one with
    which it may only fall, else 0; it is empty where there is none.
    """

    train: Rows
    valid: Rows
    task: str
    targets: TargetFacts
    monotone: tuple[int, ...] = ()

    @classmethod
    def of(cls, train: Rows, valid: Rows, task: str) -> "TrainingData":
        """The data with what their train targets show by themselves."""
        return cls(train, valid, task, describe_targets(train.y))

    def build_loss(self, section: TrainSection) -> Loss:
        """The loss of these rows, weighted where they have weights.

        Raises:
            ParamsError: it is unknown, or does not fit the task, the targets or weights.
        """
        has_weights = self.train.weights is not None
        return build_loss(section.loss, self.task, self.targets, has_weights=has_weights)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of a row: (F,) or (C, H, W)."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device) -> "TrainingData":
        """The same data on another device, as far as it has room for them."""
        train, valid = self.train.to(device), self.valid.to(device)
        return dataclasses.replace(self, train=train, valid=valid)

    def cast_train(self, precision: torch.dtype) -> "TrainingData":
        """The same data with the train inputs in a narrower type, when there is room for both."""
        return dataclasses.replace(self, train=self.train.cast(precision))


def _fits(x: Tensor, device: torch.device) -> bool:
    return device.type != "cuda" or _has_room(x.nbytes, device)


def _has_room(n_bytes: int, device: torch.device) -> bool:
    free = min(psutil.virtual_memory().available, memory_bytes())
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= MEMORY_SHARE * free


def load_rows(
    folder: Path, split: str, most_bytes: float | None = None, *, is_mapped: bool = False
) -> Rows:
    """Read one split of data/scaled; an array larger than `most_bytes` is streamed.

    By default that is half of the memory that there is, free or not: what a training reads must
    not depend on what else runs. An array that has no room at this moment is mapped as well, and
    read in the same order; so is every array with `is_mapped`.
    """
    path = folder / f"{split}_x.npy"
    if most_bytes is None:
        most_bytes = MEMORY_SHARE * memory_bytes()
    n_bytes = path.stat().st_size
    is_streamed = n_bytes > most_bytes
    is_mapped = is_mapped or is_streamed or not _has_room(n_bytes, torch.device("cpu"))
    # "c": writes, which nobody makes, would stay in memory; torch warns of read-only arrays.
    x = np.load(path, mmap_mode="c" if is_mapped else None, allow_pickle=False)
    y = np.load(folder / f"{split}_y.npy", allow_pickle=False)
    actual, weights = (_load_numbers(folder / f"{split}_{kind}.npy") for kind in _OPTIONAL)
    return Rows(torch.from_numpy(x), torch.from_numpy(y), is_streamed, actual, weights)


def _load_numbers(path: Path) -> Tensor | None:
    return torch.from_numpy(np.load(path, allow_pickle=False)) if path.is_file() else None
