"""Augmentation of whole batches, by name. To add one: a builder, a line in AUGMENTATIONS.

A builder takes the facts of the inputs and its own options, and returns
`augment(x, y, generator) -> (x, y)`. Images (B, C, H, W) float32, scaled; tables (B, F). Every draw
comes from `generator`, one number or more an image, so that a resumed training draws the same.

augmenter_input.py  what a builder knows of the inputs
moving.py           shift, flip, rotate: new images
mixing.py           mixup, cutmix: new images and targets
erasing.py          erase, and the rectangles of cutmix
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from layerline.config import Component
from layerline.lookup import pick, read_options
from layerline.training.augmentation.augmenter_input import Augment, InputFacts
from layerline.training.augmentation.erasing import erase
from layerline.training.augmentation.mixing import cutmix, mixup
from layerline.training.augmentation.moving import flip, rotate, shift


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A builder; `mixes_rows`: it averages rows, so their values must be numbers, not codes."""

    build: Callable[..., Augment]
    mixes_rows: bool = False


AUGMENTATIONS: dict[str, Augmentation] = {
    "shift": Augmentation(shift),
    "flip": Augmentation(flip),
    "rotate": Augmentation(rotate),
    "erase": Augmentation(erase),
    "mixup": Augmentation(mixup, mixes_rows=True),
    "cutmix": Augmentation(cutmix, mixes_rows=True),
}


def build_augmentation(
    components: Sequence[Component], inputs: InputFacts, where: str = "train.augment"
) -> Augment:
    """One augmentation that applies those of params.yaml in their order.

    Raises:
        ParamsError: a name or an option is unknown, or does not fit the inputs.
    """
    parts = []
    for index, component in enumerate(components):
        place = f"{where}.{index}"
        build = pick(AUGMENTATIONS, component.name, place).build
        parts.append(build(inputs, **read_options(build, component.options, place)))

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for part in parts:
            x, y = part(x, y, generator)
        return x, y

    return augment


__all__ = ["AUGMENTATIONS", "Augment", "Augmentation", "InputFacts", "build_augmentation"]
