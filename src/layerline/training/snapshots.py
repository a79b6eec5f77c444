"""A training on disk while it runs, so that a killed one can be resumed.

One folder a training, named by a hash of all that decides its bytes (data, params, code, torch);
another training's snapshot is never loaded. It is replaced in one step, sealed by a manifest with
sha256, and removed when the training is done.
"""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import layerline
from layerline.artifacts import read_manifest, replace_folder
from layerline.errors import SourceError

EVERY_SECONDS = 10.0  # between the ends of epochs
WITHIN_SECONDS = 120.0  # inside an epoch that takes longer than that
_FILE = "snapshot.safetensors"
_ROOMS = ("kernels", "networks", "training")  # the code that weights depend on


def training_key(facts: Mapping[str, Any]) -> str:
    """A hash of `facts` (JSON values), torch's version and our own code."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    digest.update(f"{torch.__version__} {sys.version}".encode())
    package = Path(layerline.__file__).parent
    for room in _ROOMS:
        for file in sorted((package / room).rglob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class Snapshots:
    """The snapshots of one training, in a separate folder."""

    def __init__(
        self,
        folder: Path,
        *,
        every_seconds: float = EVERY_SECONDS,
        within_seconds: float = WITHIN_SECONDS,
    ) -> None:
        self.folder = folder
        self.every_seconds = every_seconds
        self.within_seconds = within_seconds
        self._last = time.monotonic()

    def is_due(self, *, within_epoch: bool = False) -> bool:
        """Whether it is time for the next one."""
        wait = self.within_seconds if within_epoch else self.every_seconds
        return time.monotonic() - self._last >= wait

    def save(self, state: Mapping[str, Any]) -> None:
        """Write nested tensors and plain values, replacing the previous snapshot."""
        tensors: dict[str, Tensor] = {}
        described = json.dumps(_pack(state, tensors))
        with replace_folder(self.folder, {}) as folder:
            save_file(tensors, folder / _FILE, metadata={"state": described})
        self._last = time.monotonic()

    def exists(self) -> bool:
        """Whether there is one to resume from."""
        return (self.folder / _FILE).exists()

    def load(self) -> Any:
        """The last snapshot, or None when there is none.

        Raises:
            SourceError: it is damaged.
        """
        if not self.exists():
            return None
        read_manifest(self.folder)
        try:
            with safe_open(self.folder / _FILE, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                described = json.loads(file.metadata()["state"])
        except (OSError, SafetensorError) as error:
            raise SourceError(f"{self.folder / _FILE}: cannot be read: {error}") from None
        return _unpack(described, tensors)

    def discard(self) -> None:
        """Remove it: the training is done, or its snapshot is of no use."""
        shutil.rmtree(self.folder, ignore_errors=True)


class SnapshotPlace(Protocol):
    """Where a loop leaves its state when it is time."""

    def is_due(self, *, within_epoch: bool = False) -> bool: ...
    def save(self, state: Mapping[str, Any]) -> None: ...


class Resumable(Protocol):
    """A training that can be put where an earlier run of it stopped."""

    def load(self, state: Mapping[str, Any]) -> None: ...


def resume(snapshots: Snapshots, training: Resumable, report: Callable[[str], None]) -> bool:
    """Load the last snapshot into the training, if there is one; a damaged one is discarded."""
    try:
        state = snapshots.load()
    except SourceError as error:
        report(f"note: {error}; training starts from the beginning")
        snapshots.discard()
        return False
    if state is None:
        return False
    training.load(state)
    return True


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON can hold it; its tensors go to `tensors`, where JSON has their names."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        copied = value.detach().to("cpu", copy=True)  # none may share memory
        tensors[name] = copied.contiguous()
        # An optimizer's fused kernel walks through memory, so its moments must lie as they lay.
        return {"tensor": [name, None if copied.is_contiguous() else list(copied.stride())]}
    if isinstance(value, Mapping):
        return {"mapping": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_pack(item, tensors) for item in value]}
    return value


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        name, strides = content
        kept = tensors[name]
        # In memory of its own: where a buffer begins decides how sums over it are rounded.
        if strides is None:
            return kept.clone()
        return torch.empty_strided(kept.shape, strides, dtype=kept.dtype).copy_(kept)
    if kind == "mapping":
        return {key: _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
