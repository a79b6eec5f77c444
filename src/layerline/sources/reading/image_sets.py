"""Image sets that torchvision keeps in other files than IDX: CIFAR, SVHN, STL10, USPS.

To add one: a line in SETS, and its class name in sources/torchvision.py. CIFAR's files are pickles;
torchvision opens them only when their md5 is the published one.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.errors import SourceError
from layerline.text import first_line


class _Layout(NamedTuple):
    """The files below the root, how the class names its split, and where its channels are."""

    files: tuple[str, ...]
    takes_train: bool = False  # train=True, not split="train"
    channels_first: bool = False


class ImageSet(NamedTuple):
    """(N, H, W[, 3]) uint8 images, (N,) int64 labels, and the names of the classes, if any."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: list[str]


_CIFAR10 = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
_STL10 = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt")
SETS: Mapping[str, _Layout] = {
    "CIFAR10": _Layout(tuple(f"cifar-10-batches-py/{name}" for name in _CIFAR10), takes_train=True),
    "CIFAR100": _Layout(
        ("cifar-100-python/train", "cifar-100-python/test", "cifar-100-python/meta"),
        takes_train=True,
    ),
    "SVHN": _Layout(("train_32x32.mat", "test_32x32.mat"), channels_first=True),
    "STL10": _Layout(tuple(f"stl10_binary/{name}" for name in _STL10), channels_first=True),
    "USPS": _Layout(("usps.bz2", "usps.t.bz2"), takes_train=True),
}


def find_files(root: Path, dataset: str) -> list[Path]:
    """The set's files below the root; none when one of them is missing."""
    files = [root / name for name in SETS[dataset].files]
    return files if all(file.is_file() for file in files) else []


def download(root: Path, dataset: str) -> None:
    """Let torchvision download a set, of IDX files or others, to the root.

    Raises:
        OSError, RuntimeError: no mirror can be reached.
    """
    from layerline.vision import torchvision_datasets

    build = getattr(torchvision_datasets(), dataset)
    for split in ("train", "test"):
        build(str(root), download=True, **_arguments(dataset, split))


def load(root: Path, dataset: str, split: str) -> ImageSet:
    """One split of a set whose files lie below the root.

    Raises:
        SourceError: its files are damaged, or not those that torchvision knows.
    """
    from layerline.vision import torchvision_datasets

    build = getattr(torchvision_datasets(), dataset)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pickles of an old numpy
            found = build(str(root), **_arguments(dataset, split))
    except (OSError, EOFError, ValueError, RuntimeError, KeyError, IndexError) as error:
        raise SourceError(
            f"{root}: the files of {dataset} are damaged or truncated "
            f"({first_line(error)[:200]}); remove them and get them again"
        ) from None
    return _as_arrays(found, SETS[dataset])


def _arguments(dataset: str, split: str) -> dict[str, Any]:
    layout = SETS.get(dataset)
    if layout is None or layout.takes_train:
        return {"train": split == "train"}
    return {"split": split}


def _as_arrays(found: Any, layout: _Layout) -> ImageSet:
    images = np.asarray(found.data, dtype=np.uint8)
    if layout.channels_first:
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    labels = np.asarray(found.targets if hasattr(found, "targets") else found.labels)
    return ImageSet(images, labels.astype(np.int64), list(getattr(found, "classes", [])))
