"""Images for benchmarks/training.py: MNIST's files, or ten classes of blobs made from a seed."""

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from layerline.sources.torchvision import find_idx_files

MEAN, SPREAD = 0.1307, 0.3081  # MNIST's, as in every tutorial
N_TEST = 2000


@dataclasses.dataclass(frozen=True)
class Images:
    """Grey images (N, 28, 28) uint8 and their classes (N,) int64."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor

    def scaled(self, split: str) -> tuple[Tensor, Tensor]:
        """(N, 1, 28, 28) float32 as ToTensor and Normalize make them, and the classes."""
        x, y = (self.train_x, self.train_y) if split == "train" else (self.test_x, self.test_y)
        return ((x.float() / 255 - MEAN) / SPREAD).unsqueeze(1), y


def load_images(root: str | None, n_rows: int) -> Images:
    """The first rows of the files in `root`, or made ones."""
    if root is None:
        x, y = _made(n_rows + N_TEST)
        return Images(x[:n_rows], y[:n_rows], x[n_rows:], y[n_rows:])
    files = find_idx_files(Path(root), "MNIST")
    if files is None:
        raise SystemExit(f"{root}: the four IDX files are not there")
    train_x, train_y, test_x, test_y = map(_read, files)
    return Images(train_x[:n_rows], train_y[:n_rows], test_x[:N_TEST], test_y[:N_TEST])


def _read(file: Path) -> Tensor:
    with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
        content = stream.read()
    if "images" in file.name:
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=16).copy()).view(-1, 28, 28)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=8).astype(np.int64))


def _made(n_rows: int) -> tuple[Tensor, Tensor]:
    """Each class a drawing of its own, shifted, with noise; a fifth of the pixels is not black."""
    generator = torch.Generator().manual_seed(0)
    drawings = F.interpolate(torch.randn(10, 1, 7, 7, generator=generator), size=20, mode="bicubic")
    drawings = F.pad((drawings - 0.6).clamp(0, 1.5) / 1.5, (4, 4, 4, 4))
    y = torch.randint(10, (n_rows,), generator=generator)
    x = drawings[y, 0] * (0.6 + 0.4 * torch.rand(n_rows, 1, 1, generator=generator))
    moves = torch.randint(-2, 3, (n_rows, 2), generator=generator).tolist()
    x = torch.stack([one.roll(move, (0, 1)) for one, move in zip(x, moves, strict=True)])
    noisy = x * (1 + 0.5 * torch.randn(x.shape, generator=generator))
    return (noisy.clamp(0, 1) * 255).to(torch.uint8), y
