"""Augmentation of whole batches, by name. To add one: a builder, a line in AUGMENTATIONS.

A builder takes the facts of the inputs and its own options, and returns
`augment(x, y, generator) -> (x, y)`. Images (B, C, H, W) float32, scaled; tables (B, F). Every draw
comes from `generator`, one number or more an image, so that a resumed training draws the same.

moving.py  shift, flip, rotate: new images     mixing.py  mixup, cutmix: new images and targets
erasing.py erase, and the rectangles           inputs.py  what a builder knows
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from layerline.config import Component
from layerline.lookup import pick, read_options
from layerline.training.augmentation.augmenter_input import Augmentation, InputFacts
from layerline.training.augmentation.erasing import erase
from layerline.training.augmentation.mixing import cutmix, mixup
from layerline.training.augmentation.moving import flip, rotate, shift

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "shift": shift,
    "flip": flip,
    "rotate": rotate,
    "erase": erase,
    "mixup": mixup,
    "cutmix": cutmix,
}


def build_augmentation(
    components: Sequence[Component], inputs: InputFacts, where: str = "train.augment"
) -> Augmentation:
    """One augmentation that applies those of params.yaml in their order.

    Raises:
        ParamsError: a name or an option is not known, or does not fit the inputs.
    """
    parts = []
    for index, component in enumerate(components):
        place = f"{where}.{index}"
        builder = pick(AUGMENTATIONS, component.name, place)
        parts.append(builder(inputs, **read_options(builder, component.options, place)))

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for part in parts:
            x, y = part(x, y, generator)
        return x, y

    return augment


__all__ = ["AUGMENTATIONS", "Augmentation", "InputFacts", "build_augmentation"]
