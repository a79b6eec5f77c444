"""A checkout's scaled table, and a network that an earlier training left."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from layerline.artifacts import SourceFiles, Workspace, replace_folder, write_json
from layerline.config import FetchSection, Params, TrainSection, TransferSection
from layerline.networks.serialization import NetworkSpec, save_network
from layerline.scaling.preprocessing.preprocessor import Preprocessor

N_ROWS = 120


def table_preprocessor(
    numbers: list[str],
    categories: Mapping[str, list[Any]] | None = None,
    center: float = 0.0,
    **changes: Any,
) -> Preprocessor:
    """A fitted preprocessor, by its JSON."""
    affine = {"center": [center] * len(numbers), "scale": [1.0] * len(numbers), "clip": False}
    block = {"names": numbers, "fill": [0.0] * len(numbers), "affine": affine, "indicators": []}
    state = {
        "target": "kind",
        "task": "multiclass",
        "classes": ["a", "b", "c"],
        "target_center": 0.0,
        "target_scale": 1.0,
        "numbers": block if numbers else None,
        "categories": [{"name": n, "levels": v} for n, v in (categories or {}).items()],
        "image": None,
        "image_shape": None,
        **changes,
    }
    return Preprocessor.from_json(state)


def spec_of(preprocessor: Preprocessor, **changes: Any) -> NetworkSpec:
    classes = preprocessor.classes
    first = NetworkSpec(
        network="mlp",
        options={"hidden": [8, 8], "dropout": 0.0},
        input_shape=(len(preprocessor.features),),
        d_out=1 if classes is None else len(classes),
        task=preprocessor.task,
        classes=classes,
        target_center=preprocessor.target_center,
        target_scale=preprocessor.target_scale,
    )
    return dataclasses.replace(first, **changes)


def write_source(
    folder: Path, preprocessor: Preprocessor, spec: NetworkSpec, seed: int = 1
) -> tuple[SourceFiles, nn.Module]:
    """A network with its preprocessor beside it, as a training leaves them."""
    torch.manual_seed(seed)
    network = spec.build().eval()
    with torch.no_grad():
        for name, value in network.named_buffers():
            if name.endswith("running_mean"):
                value.normal_()
    with replace_folder(folder / "preprocessor", {}) as inner:
        write_json(inner / "preprocessor.json", preprocessor.to_json())
    with replace_folder(folder / "network", {}) as inner:
        save_network(inner, network, spec)
    files = SourceFiles(
        folder / "network" / "network.safetensors",
        folder / "network" / "spec.json",
        folder / "preprocessor" / "preprocessor.json",
        {"from": "models"},
    )
    return files, network


def write_here(root: Path, preprocessor: Preprocessor, seed: int = 0) -> Workspace:
    """data/scaled and models/preprocessor of a small table of separable classes."""
    workspace = Workspace(root)
    generator = np.random.default_rng(seed)
    with replace_folder(workspace.preprocessor, {}) as folder:
        write_json(folder / "preprocessor.json", preprocessor.to_json())
    n_classes, n_features = len(preprocessor.classes or "abc"), len(preprocessor.features)
    about = {
        "kind": "table",
        "task": preprocessor.task,
        "classes": None if preprocessor.classes is None else list(preprocessor.classes),
        "features": preprocessor.features,
        "shape": [n_features],
        "target_center": preprocessor.target_center,
        "target_scale": preprocessor.target_scale,
        "raw_sha256": {},
        "source": "files",
        "target": "label",
        "n_rows": dict.fromkeys(("train", "valid", "test"), N_ROWS),
    }
    with replace_folder(workspace.scaled, about) as folder:
        for split in ("train", "valid", "test"):
            y = np.arange(N_ROWS) % n_classes
            x = generator.normal(size=(N_ROWS, n_features)).astype(np.float32)
            x[:, :1] += 2 * y[:, None]
            np.save(folder / f"{split}_x.npy", x)
            targets = y if preprocessor.classes is not None else (y - 1).astype(np.float32)
            np.save(folder / f"{split}_y.npy", targets)
            np.save(folder / f"{split}_id.npy", np.arange(N_ROWS, dtype=np.uint64))
    return workspace


def params_of(transfer: dict[str, Any] | None, **changes: Any) -> Params:
    section = {
        "options": {"hidden": [8, 8], "dropout": 0.0},
        "batch_size": 32,
        "epochs": 3,
        "device": "cpu",
        "transfer": None if transfer is None else TransferSection(**{"source": "x", **transfer}),
        **changes,
    }
    return Params(
        project="p", fetch=FetchSection(source="files"), threads=1, train=TrainSection(**section)
    )


@pytest.fixture
def source(tmp_path: Path) -> tuple[SourceFiles, nn.Module, Preprocessor]:
    preprocessor = table_preprocessor(["age", "height"], {"city": ["Bonn", "Ulm"]})
    files, network = write_source(tmp_path / "old", preprocessor, spec_of(preprocessor))
    return files, network, preprocessor


@pytest.fixture
def lab() -> Callable[[str], Any]:
    """The functions above by name: test modules cannot import a conftest."""
    return globals().__getitem__
