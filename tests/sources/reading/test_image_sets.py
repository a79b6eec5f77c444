"""Image sets that torchvision keeps in other files than IDX, from a root that has them."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from layerline.errors import SourceError
from layerline.sources import SOURCES
from layerline.sources.reading.image_sets import SETS
from layerline.sources.torchvision import IDX, Dataset
from layerline.tables.storage import read_images, read_table
from layerline.vision import torchvision_datasets


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """CIFAR10's six files with four images each; torchvision is told their checksums."""
    known = torchvision_datasets().CIFAR10
    place = root / known.base_folder
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 4, 3, 32, 32), dtype=np.uint8)
    names = [name for name, _ in known.train_list + known.test_list]
    for name, part in zip(names, images, strict=True):
        content = {"data": part.reshape(4, -1), "labels": [0, 1, 2, 9]}
        (place / name).write_bytes(pickle.dumps(content))
    meta = {"label_names": [f"class {i}" for i in range(10)]}
    (place / "batches.meta").write_bytes(pickle.dumps(meta))
    lists = [[name, md5_of(place / name)] for name in names]
    monkeypatch.setattr(known, "train_list", lists[:5])
    monkeypatch.setattr(known, "test_list", lists[5:])
    monkeypatch.setattr(known, "meta", known.meta | {"md5": md5_of(place / "batches.meta")})
    return images.reshape(24, 3, 32, 32).transpose(0, 2, 3, 1)


def fetch(tmp_path: Path, dataset: str) -> Any:
    (tmp_path / "out").mkdir(exist_ok=True)
    return SOURCES["torchvision"].build(
        tmp_path / "out", "label", dataset=dataset, root=str(tmp_path / "root")
    )


def test_each_set_is_known_to_torchvision_and_to_the_source() -> None:
    assert set(SETS) | set(IDX) == set(Dataset.__args__)  # type: ignore[attr-defined]
    for name in SETS:
        assert hasattr(torchvision_datasets(), name)


def test_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_cifar(tmp_path / "root", monkeypatch)
    info = fetch(tmp_path, "CIFAR10")
    rows = read_table(tmp_path / "out")
    assert (read_images(tmp_path / "out") == images).all()
    assert rows["label"].tolist() == [0, 1, 2, 9] * 6
    assert rows["split"].tolist() == ["train"] * 20 + ["test"] * 4
    assert info.origin["class_names"][9] == "class 9"
    assert len(info.origin["files"]) == 7


def test_a_pickle_of_another_checksum_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path / "root", monkeypatch)
    file = tmp_path / "root" / "cifar-10-batches-py" / "data_batch_3"
    trap = b"cos\nsystem\n(S'touch trapped'\ntR."
    file.write_bytes(trap)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="damaged or truncated") as caught:
        fetch(tmp_path, "CIFAR10")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "trapped").exists()


def test_svhn_has_its_channels_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = torchvision_datasets().SVHN
    root = tmp_path / "root"
    root.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    lists = {}
    for split, (url, name, _) in known.split_list.items():
        if split == "extra":
            continue
        labels = np.array([[1], [10], [3]], dtype=np.uint8)  # SVHN calls the digit 0 so
        savemat(root / name, {"X": images.transpose(1, 2, 3, 0), "y": labels})
        lists[split] = [url, name, md5_of(root / name)]
    monkeypatch.setattr(known, "split_list", lists)
    fetch(tmp_path, "SVHN")
    assert (read_images(tmp_path / "out")[:3] == images).all()
    assert read_table(tmp_path / "out")["label"].tolist() == [1, 0, 3] * 2


def test_no_files_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_datasets().CIFAR10, "url", "http://127.0.0.1:9/c.tar.gz")
    with pytest.raises(SourceError, match="has no files of CIFAR10") as caught:
        fetch(tmp_path, "CIFAR10")
    assert "fetch.options.root" in str(caught.value)
