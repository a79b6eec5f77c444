"""Rectangles of images taken out."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from layerline.training.augmentation.augmenter_input import (
    Augment,
    InputFacts,
    image_sides,
    uniform,
)


def erase(
    inputs: InputFacts,
    *,
    probability: Annotated[float, Field(gt=0, le=1)] = 0.5,
    smallest: Annotated[float, Field(gt=0, lt=1)] = 0.02,
    largest: Annotated[float, Field(gt=0, lt=1)] = 0.2,
    aspect: Annotated[float, Field(gt=0, le=1)] = 0.3,
) -> Augment:
    """Paint a random rectangle of some images with the background.

    Options:
        probability: that an image gets one.
        smallest: its least share of the image.
        largest: its largest share of the image.
        aspect: the least height over width, and the least width over height.

    Source: Zhong et al., Random Erasing Data Augmentation (2020).
    """
    sides = image_sides("erase", inputs)

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = uniform(x, generator) < probability
        area = uniform(x, generator, *sorted((smallest, largest)))
        ratio = aspect ** uniform(x, generator, -1.0, 1.0)
        erased = rectangles(sides, area * chosen, ratio, (x, generator))
        return torch.lerp(x, inputs.fill.to(x).view(1, -1, 1, 1), erased), y

    return augment


def rectangles(
    sides: tuple[int, int], area: Tensor, ratio: Tensor, draw: tuple[Tensor, torch.Generator]
) -> Tensor:
    """(B, 1, H, W) float32: ones in a rectangle that lies anywhere inside the image, else zeros.

    `area` (B,) is its share of the image, `ratio` (B,) its height over its width, both as shares of
    the sides. `draw` are the images and the generator. To torch.lerp an exact mask, and twice as
    fast as a bool one in torch.where.
    """
    inside = []
    for side, length in zip(sides, ((area * ratio).sqrt(), (area / ratio).sqrt()), strict=True):
        pixels = (length * side).round().clamp(max=side)
        first = (uniform(*draw) * (side - pixels + 1)).floor()
        at = torch.arange(side, device=area.device)
        inside.append(((at >= first[:, None]) & (at < (first + pixels)[:, None])).float())
    rows, columns = inside
    return (rows[:, :, None] * columns[:, None, :]).unsqueeze(1)
