"""The one door to torchvision.

Its index wheel is built for CUDA: beside a CPU torch its import fails with "operator
torchvision::nms does not exist". Declaring the two operators' signatures is enough for its
data sets, transforms and models.
"""

from typing import Any

_KEPT_ALIVE: list[Any] = []  # the operators vanish with the Library object that declares them


def torchvision_datasets() -> Any:
    """The module `torchvision.datasets`, imported so that it also works beside a CPU torch."""
    try:
        import torchvision.datasets as datasets
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_operators()
        import torchvision.datasets as datasets
    return datasets


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT_ALIVE.append(library)
