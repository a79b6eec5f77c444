"""Features of a frozen backbone, computed once and kept on disk.

A folder in .layerline/features is named by a hash of the backbone's weights and architecture, the
rows, and what decides the arithmetic. Old folders, and the oldest ones when all of them are
too large, are removed.
"""

import copy
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from layerline.artifacts import read_manifest, replace_folder
from layerline.errors import SourceError
from layerline.training.dataset import Rows, load_rows
from layerline.training.device import autocast
from layerline.training.transfer.depth import head_of, is_in

BATCH = 256  # images at once; a deep network's activations are large
_TOLERANCE = 1e-5


def features_key(network: nn.Module, about: Mapping[str, Any]) -> str:
    """The hash that names the features.

    Args:
        network: without its head.
        about: JSON values: the architecture, the rows' sha256, threads, precision, device.
    """
    head = head_of(network)
    facts = {**about, "torch": torch.__version__, "python": sys.version}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for name, value in sorted(network.state_dict().items()):
        if not is_in(name, head):
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def ends_in_head(network: nn.Module, x: Tensor) -> bool:
    """Whether the head is the last thing a row passes, so that features can stand for rows.

    SqueezeNet pools after its head, for one.
    """
    with torch.inference_mode():
        network.eval()
        head = network.get_submodule(head_of(network))
        try:
            again = head(backbone(network)(x))
        except RuntimeError:
            return False
        whole = network(x)
        return whole.shape == again.shape and torch.allclose(whole, again, atol=_TOLERANCE)


def backbone(network: nn.Module) -> nn.Module:
    """The network without its head; it shares the weights."""
    shell = copy.copy(network)
    shell._modules = dict(network._modules)
    path, at = head_of(network).split("."), shell
    for name in path[:-1]:
        inner = copy.copy(at._modules[name])
        assert inner is not None
        inner._modules = dict(inner._modules)
        at._modules[name] = inner
        at = inner
    at._modules[path[-1]] = nn.Identity()
    return shell


def cached_features(
    folder: Path,
    network: nn.Module,
    rows: tuple[Rows, Rows],
    device: torch.device,
    precision: torch.dtype,
) -> tuple[Rows, Rows, bool]:
    """The features (B, d_hidden) of train and valid rows, from `folder` or computed into it.

    Returns them, and whether they were in the folder already.
    """
    names = ("train", "valid")
    was_there = _is_sound(folder)
    if not was_there:
        body = backbone(network).to(device).eval()
        with replace_folder(folder, {}) as temporary:
            for name, part in zip(names, rows, strict=True):
                _write(temporary / f"{name}_x.npy", body, part, device, precision)
                np.save(temporary / f"{name}_y.npy", part.y.cpu().numpy(), allow_pickle=False)
        network.to("cpu")
    folder.touch()  # its age counts from its last use
    train, valid = (load_rows(folder, name) for name in names)
    return train, valid, was_there


def _is_sound(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        read_manifest(folder)
    except SourceError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _write(
    path: Path, body: nn.Module, rows: Rows, device: torch.device, precision: torch.dtype
) -> None:
    """Features go to the file as they come: those of a large data set need not fit into memory."""
    file: Any = None
    start = 0
    for batch in _batches(body, rows, device, precision):
        if file is None:
            shape = (len(rows), *batch.shape[1:])
            file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        file[start : start + len(batch)] = batch.numpy()
        start += len(batch)
    file.flush()


def _batches(
    body: nn.Module, rows: Rows, device: torch.device, precision: torch.dtype
) -> Iterator[Tensor]:
    for chunk in rows.x.split(BATCH):
        with torch.inference_mode(), autocast(device, precision):
            features = body(chunk.to(device)).float().cpu()
        yield features
