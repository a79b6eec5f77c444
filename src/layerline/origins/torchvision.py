"""torchvision's trained weights, by torchvision's own loading code and cache (TORCH_HOME)."""

import difflib
import re
from pathlib import Path
from typing import Any
from urllib.error import URLError

from layerline.artifacts import SourceFiles
from layerline.errors import ParamsError, Problem, SourceError
from layerline.vision import torchvision_models

WHERE = "train.transfer.from"
_HASH = re.compile(r"-([0-9a-f]{8,})\.")  # of torchvision's file names: the sha256's beginning


def find_weights(name: str) -> Any:
    """The weights entry of `resnet18/IMAGENET1K_V1`; `resnet18` alone is its default.

    Raises:
        ParamsError: torchvision has no such network or weights.
    """
    models = torchvision_models()
    network, _, which = name.partition("/")
    names = models.list_models(module=models)
    if network not in names:
        near = ", ".join(difflib.get_close_matches(network, names, n=5, cutoff=0.3)) or "resnet18"
        message = f"torchvision has no classification network {network!r}; near names: {near}"
        raise ParamsError([Problem(WHERE, message)])
    known = models.get_model_weights(network)
    which = which or "DEFAULT"
    if which not in known.__members__:
        message = f"{network} has no weights {which!r}; it has: {', '.join(known.__members__)}"
        raise ParamsError([Problem(WHERE, message)])
    return known[which]


def source_of_torchvision(name: str) -> SourceFiles:
    """The weights' file in torch's cache, downloaded and checked when it is not there.

    The file's name holds the beginning of its sha256, which is checked here for files that were
    there already too; torch checks it after a download alone.

    Raises:
        ParamsError: torchvision has no such weights.
        SourceError: they are not in the cache and cannot be downloaded.
    """
    import torch

    weights = find_weights(name)
    path = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if not path.is_file():
        try:
            weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except (URLError, OSError, RuntimeError) as error:
            raise SourceError(
                f"{weights.url} cannot be downloaded ({error}), and it is not in {path.parent}; "
                "put the file there, or set TORCH_HOME to the folder whose hub/checkpoints has it"
            ) from None
    return SourceFiles(path, identity={"weights": str(weights)}, sha256_start=_sha256_start(path))


def _sha256_start(path: Path) -> str:
    found = _HASH.search(path.name)
    return found[1] if found else ""
