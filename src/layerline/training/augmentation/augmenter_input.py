"""What an augmentation knows of the inputs, and how it draws its numbers."""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from layerline.errors import ParamsError, Problem

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclasses.dataclass(frozen=True)
class InputFacts:
    """The shape of a row, (C, H, W) or (F,), the background, and the classes.

    `fill` (C,) is what an empty pixel is once it is scaled; `n_classes` is None for regression.
    """

    shape: tuple[int, ...]
    fill: Tensor
    n_classes: int | None


def image_sides(name: str, inputs: InputFacts) -> tuple[int, int]:
    """Height and width of the images.

    Raises:
        ParamsError: the rows are no images.
    """
    if len(inputs.shape) != 3:
        message = f"{name!r} moves pixels, and these data are a table; leave it out"
        raise ParamsError([Problem("train.augment", message)])
    return inputs.shape[1], inputs.shape[2]


def uniform(x: Tensor, generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """(B,) numbers from low to high, drawn where the generator is, brought to where `x` is."""
    drawn = torch.empty(len(x), device=generator.device)
    return drawn.uniform_(low, high, generator=generator).to(x.device)
