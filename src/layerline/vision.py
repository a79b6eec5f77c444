"""torchvision, imported so that it works beside a CPU build of torch.

Its index wheel is built for CUDA: with a CPU build of torch its import fails with "operator
torchvision::nms does not exist". Declaring the two operators' signatures is enough for its
data sets, transforms and models.
"""

import importlib
from typing import Any

_KEPT_ALIVE: list[Any] = []  # the operators vanish with the Library object that declares them


def torchvision_datasets() -> Any:
    """The module `torchvision.datasets`."""
    return _open("torchvision.datasets")


def torchvision_models() -> Any:
    """The module `torchvision.models`."""
    return _open("torchvision.models")


def _open(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    _declare_operators()
    return importlib.import_module(module)


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT_ALIVE.append(library)
