"""The weights a training starts from, and what describes them."""

import dataclasses
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from layerline.artifacts import SourceFiles, read_json_as, sha256_of
from layerline.errors import SourceError
from layerline.networks.serialization import NetworkSpec, load_spec

if TYPE_CHECKING:
    from layerline.scaling.preprocessing.preprocessor import Preprocessor

PICKLED = (".pth", ".pt", ".bin")


@dataclasses.dataclass(frozen=True)
class Source:
    """Weights by name; `spec` and `preprocessor` are None where nothing is known but weights."""

    weights: Mapping[str, Tensor]
    spec: NetworkSpec | None
    preprocessor: "Preprocessor | None"
    identity: Mapping[str, str]  # with the sha256 of the weights

    @property
    def name(self) -> str:
        return self.identity.get("from", "the source")


def read_source(files: SourceFiles, sha256: str | None = None) -> Source:
    """Read and check all of a source.

    Args:
        files: where it is.
        sha256: what the weights file must have, from params.yaml.

    Raises:
        SourceError: a file is missing or damaged, has another sha256, or would run code.
    """
    if not files.weights.is_file():
        raise SourceError(f"{files.weights}: missing; train.transfer.from names it")
    found = sha256_of(files.weights)
    if sha256 is not None and found != sha256:
        raise SourceError(
            f"{files.weights}: sha256 is {found}, train.transfer.sha256 is {sha256}; "
            "the file was changed or is another one, and was not loaded"
        )
    if sha256 is None and not found.startswith(files.sha256_start):
        raise SourceError(
            f"{files.weights}: sha256 is {found}, its name has {files.sha256_start}…; the file "
            "was changed or is another one, and was not loaded; remove it to have it fetched "
            "again, or set train.transfer.sha256 if it is yours"
        )
    return Source(
        weights=read_weights(files.weights),
        spec=None if files.spec is None else load_spec(files.spec.parent),
        preprocessor=_read_preprocessor(files.preprocessor),
        identity={**files.identity, "sha256": found},
    )


def _read_preprocessor(path: Path | None) -> "Preprocessor | None":
    if path is None:
        return None
    from layerline.scaling.preprocessing.preprocessor import Preprocessor

    return read_json_as(path, Preprocessor.from_json)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file, or a .pth file that holds only tensors.

    Raises:
        SourceError: it is neither, or damaged, or loading it would run code.
    """
    try:
        if path.suffix in PICKLED:
            return _tensors(path, torch.load(path, map_location="cpu", weights_only=True))
        return dict(load_file(path))
    except (pickle.UnpicklingError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceError(
            f"{path}: refused: it is a pickle that holds more than weights, and loading it could "
            f"run code ({reason}); save its `state_dict()` alone, better as safetensors"
        ) from None
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceError(f"{path}: cannot be read as weights: {reason}") from None


def _tensors(path: Path, loaded: Any) -> dict[str, Tensor]:
    """The state dict of a checkpoint; many keep it under a separate key."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if isinstance(loaded, Mapping):
        tensors = {str(name): item for name, item in loaded.items() if isinstance(item, Tensor)}
        if len(tensors) == len(loaded) and tensors:
            return tensors
    raise SourceError(f"{path}: holds no state dict, a mapping of names to tensors")
