"""Images shifted, mirrored and turned; targets stay."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from layerline.errors import ParamsError, Problem
from layerline.training.augmentation.augmenter_input import (
    Augment,
    InputFacts,
    image_sides,
    uniform,
)


def shift(inputs: InputFacts, *, pixels: Annotated[int, Field(ge=1)] = 2) -> Augment:
    """Move each image by up to `pixels`, whole ones, along both axes.

    Options:
        pixels: the most.

    Raises:
        ParamsError: an image could leave its frame.
    """
    height, width = image_sides("shift", inputs)
    if pixels >= min(height, width):
        message = f"shift.pixels must be below the image's side, {min(height, width)}, got {pixels}"
        raise ParamsError([Problem("train.augment", message)])

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        draw = torch.randint(
            2 * pixels + 1, (2, len(x)), generator=generator, device=generator.device
        )
        down, right = draw.to(x.device)
        return _windows(_framed(x, pixels, inputs.fill), (height, width), down, right), y

    return augment


def _framed(x: Tensor, pixels: int, fill: Tensor) -> Tensor:
    """Images (B, C, H, W) with `pixels` of background on every side."""
    n_images, channels, height, width = x.shape
    size = (n_images, channels, height + 2 * pixels, width + 2 * pixels)
    framed = fill.to(x).view(1, -1, 1, 1).expand(size).contiguous()
    framed[:, :, pixels : pixels + height, pixels : pixels + width] = x
    return framed


def _windows(framed: Tensor, sides: tuple[int, int], down: Tensor, right: Tensor) -> Tensor:
    """The window of each image that starts at row `down` (B,) and column `right` (B,).

    A row of a window is one run of memory, so all rows of all windows are one index_select: twice
    as fast as advanced indexing, ten times as a loop over images.
    """
    n_images, channels, tall, wide = framed.shape
    height, width = sides
    runs = framed.as_strided((framed.numel() - width + 1, width), (1, 1))
    first = torch.arange(n_images, device=framed.device) * (channels * tall * wide)
    in_image = torch.arange(channels, device=framed.device)[:, None] * (tall * wide)
    in_channel = torch.arange(height, device=framed.device) * wide
    starts = (first + down * wide + right)[:, None, None] + in_image + in_channel
    return runs.index_select(0, starts.flatten()).view(n_images, channels, height, width)


def flip(inputs: InputFacts, *, probability: Annotated[float, Field(gt=0, le=1)] = 0.5) -> Augment:
    """Mirror images, left for right. Not for digits and letters.

    Options:
        probability: that an image is mirrored.
    """
    image_sides("flip", inputs)

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = uniform(x, generator) < probability
        return torch.where(chosen.view(-1, 1, 1, 1), x.flip(3), x), y

    return augment


def rotate(inputs: InputFacts, *, degrees: Annotated[float, Field(gt=0, le=180)] = 10.0) -> Augment:
    """Turn each image about its centre by up to `degrees` either way, with bilinear sampling.

    Options:
        degrees: the most.
    """
    height, width = image_sides("rotate", inputs)

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        limit = math.radians(degrees)
        angle = uniform(x, generator, -limit, limit)
        grid = _turned_grid(angle.view(-1, 1, 1), height, width)
        # Outside is zero to grid_sample, so the background is zero for as long as it works.
        fill = inputs.fill.to(x).view(1, -1, 1, 1)
        return F.grid_sample(x - fill, grid, align_corners=False).add_(fill), y

    return augment


def _turned_grid(angle: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel of a turned image comes from, (B, H, W, 2), for angles (B, 1, 1).

    F.affine_grid's answer, which takes four times as long: here points are complex numbers, in
    pixels from the middle, and turning is multiplying.
    """
    across = torch.arange(width, device=angle.device) - (width - 1) / 2
    down = torch.arange(height, device=angle.device) - (height - 1) / 2
    points = torch.complex(*torch.meshgrid(across, down, indexing="xy"))
    grid = torch.view_as_real(points * torch.polar(torch.ones_like(angle), angle))
    grid[..., 0] *= 2 / width  # the sides run from -1 to 1
    grid[..., 1] *= 2 / height
    return grid
