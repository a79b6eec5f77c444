"""Image sets through torchvision.datasets, from a folder on disk or torchvision's mirrors.

To add a data set whose files are IDX files: add its torchvision class name to `Dataset` and `IDX`;
for another one, also a line in reading/image_sets.py.
"""

import gzip
import shutil
from pathlib import Path
from typing import Any, Literal

from layerline.artifacts import sha256_of
from layerline.errors import ParamsError, Problem, SourceError
from layerline.sources.source import SourceInfo

IDX = ("MNIST", "FashionMNIST", "KMNIST")
Dataset = Literal["MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "SVHN", "STL10", "USPS"]

SPLIT = "split"
CACHE = Path(".layerline") / "downloads"
IDX_FILES = tuple(
    f"{part}-{kind}"
    for part in ("train", "t10k")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)
_TIMEOUT_SECONDS = 30.0


def fetch(folder: Path, target: str, *, dataset: Dataset, root: str | None = None) -> SourceInfo:
    """Write all images, train rows first, and their labels with the official split.

    Args:
        folder: where `images.npy` and `labels.parquet` go.
        target: the name of the column of labels.
        dataset: the class in torchvision.datasets.
        root: a folder with the four IDX files (gzipped or not) or in torchvision's own layout,
            which is the only one for other sets; null, or a root without them, downloads (to root,
            or to .layerline/downloads).

    Raises:
        SourceError: files are damaged, or neither on disk nor at a mirror.
    """
    if target == SPLIT:
        message = f"{SPLIT!r} is the column of the official split; rename the target"
        raise ParamsError([Problem("fetch.target", message)])
    place = Path(root).expanduser() if root else CACHE
    if dataset not in IDX:
        return _write_set(folder, target, dataset, place)
    files = find_idx_files(place, dataset)
    notes: tuple[str, ...] = ()
    if files is None:
        _download(place, dataset)
        files = find_idx_files(place, dataset)
        notes = (f"{dataset} was downloaded to {place}",)
    if files is None:
        raise SourceError(f"{place}: torchvision downloaded {dataset}, but its files are missing")
    return _write(folder, target, dataset, files, notes)


def _write_set(folder: Path, target: str, dataset: str, place: Path) -> SourceInfo:
    import numpy as np
    import pandas as pd

    from layerline.sources.reading.image_sets import find_files, load
    from layerline.tables.storage import write_images

    notes: tuple[str, ...] = ()
    if not find_files(place, dataset):
        _download(place, dataset)
        notes = (f"{dataset} was downloaded to {place}",)
    train, test = (load(place, dataset, split) for split in ("train", "test"))
    labels = pd.DataFrame(
        {
            target: np.concatenate([train.labels, test.labels]),
            SPLIT: ["train"] * len(train.labels) + ["test"] * len(test.labels),
        }
    )
    write_images(folder, np.concatenate([train.images, test.images]), labels)
    origin = {
        "dataset": dataset,
        "class_names": train.classes,
        "files": [
            {"path": str(file), "sha256": sha256_of(file)} for file in find_files(place, dataset)
        ],
    }
    return SourceInfo("images", SPLIT, origin, notes)


def find_idx_files(root: Path, dataset: str) -> list[Path] | None:
    """The four files, in the order of IDX_FILES; None when no folder has all of them."""
    for place in (root, root / "raw", root / dataset / "raw"):
        found = [_find_one(place, name) for name in IDX_FILES]
        if all(found):
            return [file for file in found if file]
    return None


def _find_one(place: Path, name: str) -> Path | None:
    # Some mirrors write train-images.idx3-ubyte.
    names = (name, f"{name}.gz", name.replace("-idx", ".idx"), f"{name.replace('-idx', '.idx')}.gz")
    return next((place / one for one in names if (place / one).is_file()), None)


def _write(
    folder: Path, target: str, dataset: str, files: list[Path], notes: tuple[str, ...]
) -> SourceInfo:
    import numpy as np
    import pandas as pd

    from layerline.tables.storage import write_images

    train, test = _load(dataset, files)
    labels = pd.DataFrame(
        {
            target: np.concatenate([train.targets.numpy(), test.targets.numpy()]),
            SPLIT: ["train"] * len(train.targets) + ["test"] * len(test.targets),
        }
    )
    for part in (train, test):
        if part.data.shape[0] != len(part.targets) or part.data.shape[1:] != train.data.shape[1:]:
            raise SourceError(
                f"{files[0].parent}: images {tuple(part.data.shape)} and {len(part.targets)} "
                "labels do not match; get the four files again"
            )
    write_images(folder, np.concatenate([train.data.numpy(), test.data.numpy()]), labels)
    origin = {
        "dataset": dataset,
        "class_names": list(train.classes),
        "files": [{"path": str(file), "sha256": sha256_of(file)} for file in files],
    }
    return SourceInfo("images", SPLIT, origin, notes)


def _load(dataset: str, files: list[Path]) -> tuple[Any, Any]:
    """Train and test set of torchvision, read from its own layout in a temporary folder."""
    from layerline.artifacts.temporary import temporary_folder
    from layerline.vision import torchvision_datasets

    build = getattr(torchvision_datasets(), dataset)
    with temporary_folder() as temporary:
        raw = temporary / dataset / "raw"
        raw.mkdir(parents=True)
        try:
            for file, name in zip(files, IDX_FILES, strict=True):
                _unpack(file, raw / name)
            return build(str(temporary), train=True), build(str(temporary), train=False)
        except (OSError, EOFError, ValueError, AssertionError, RuntimeError, KeyError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "malformed"
            raise SourceError(
                f"{files[0].parent}: the IDX files of {dataset} are damaged or truncated "
                f"({reason}); remove them and get them again"
            ) from None


def _unpack(file: Path, destination: Path) -> None:
    if file.suffix != ".gz":
        destination.symlink_to(file.resolve())
        return
    try:
        with gzip.open(file) as packed, destination.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
    except Exception as error:  # gzip raises OSError, EOFError and zlib.error
        raise ValueError(f"{file.name}: {error}") from None


def _download(place: Path, dataset: str) -> None:
    import socket

    from layerline.sources.reading.image_sets import download

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)  # torchvision sets none and would hang
    try:
        download(place, dataset)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(":")
        wanted = f"put {', '.join(IDX_FILES)} (gzipped or not) into a folder"
        if dataset not in IDX:
            wanted = "put torchvision's own files of it into a folder"
        raise SourceError(
            f"{place}: has no files of {dataset}, and no mirror could be reached "
            f"({reason}); {wanted} and set fetch.options.root to it"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
