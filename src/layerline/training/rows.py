"""The arrays a network learns from, as tensors that stay on the device."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Rows:
    """One split: `x` (B, F) or (B, C, H, W) float32, `y` (B,) int64 classes or float32 targets."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> "Rows":
        """The same rows on another device."""
        return Rows(self.x.to(device), self.y.to(device))


def load_rows(folder: Path, split: str) -> Rows:
    """Read one split of data/scaled."""
    x = np.load(folder / f"{split}_x.npy", allow_pickle=False)
    y = np.load(folder / f"{split}_y.npy", allow_pickle=False)
    return Rows(torch.from_numpy(x), torch.from_numpy(y))
