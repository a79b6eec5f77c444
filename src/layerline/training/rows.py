"""The arrays a network learns from: tensors on the device, or on disk when they are too large."""

import dataclasses
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

SPLITS = ("train", "valid", "test")
MEMORY_SHARE = 0.5  # arrays beyond this share of the free memory stay on disk


@dataclasses.dataclass(frozen=True)
class Rows:
    """One split: `x` (B, F) or (B, C, H, W) float32, `y` (B,) int64 classes or float32 targets.

    Streamed rows stay where they are, mapped from a file; their batches go to the device of `y`.
    """

    x: Tensor
    y: Tensor
    is_streamed: bool = False
    actual: Tensor | None = None  # (B,) float64: numbers that cannot be read back from `y`

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> "Rows":
        """The same rows on another device, as far as it has room for them."""
        y = self.y.to(device)
        if self.is_streamed or not _fits(self.x, device):
            return Rows(self.x, y, is_streamed=True)
        return Rows(self.x.to(device), y)

    def cast(self, precision: torch.dtype) -> "Rows":
        """The same rows with `x` in a narrower type, when there is room for both."""
        needed = self.x.nbytes * precision.itemsize // self.x.dtype.itemsize
        if self.is_streamed or self.x.dtype == precision or not _has_room(needed, self.x.device):
            return self
        return dataclasses.replace(self, x=self.x.to(precision))

    def take(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The rows at the positions `batch` (B,), which lie on `positions_device`."""
        y = self.y.index_select(0, batch.to(self.y.device))
        return self.x.index_select(0, batch).to(y.device), y

    @property
    def positions_device(self) -> torch.device:
        """Where the rows are taken from."""
        return self.x.device


def _fits(x: Tensor, device: torch.device) -> bool:
    return device.type != "cuda" or _has_room(x.nbytes, device)


def _has_room(n_bytes: int, device: torch.device) -> bool:
    free = psutil.virtual_memory().available
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= MEMORY_SHARE * free


def load_rows(folder: Path, split: str, memory_bytes: float | None = None) -> Rows:
    """Read one split of data/scaled; an array larger than `memory_bytes` is mapped from disk.

    By default that is half of the free memory.
    """
    path = folder / f"{split}_x.npy"
    if memory_bytes is None:
        memory_bytes = MEMORY_SHARE * psutil.virtual_memory().available
    is_streamed = path.stat().st_size > memory_bytes
    # "c": writes, which nobody makes, would stay in memory; torch warns of read-only arrays.
    x = np.load(path, mmap_mode="c" if is_streamed else None, allow_pickle=False)
    y = np.load(folder / f"{split}_y.npy", allow_pickle=False)
    actual = folder / f"{split}_actual.npy"
    if not actual.is_file():
        return Rows(torch.from_numpy(x), torch.from_numpy(y), is_streamed)
    numbers = torch.from_numpy(np.load(actual, allow_pickle=False))
    return Rows(torch.from_numpy(x), torch.from_numpy(y), is_streamed, numbers)
