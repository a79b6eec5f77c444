"""Two images made into one, and their targets with them.

The second image is the batch's next one: batches are random, so no second permutation is needed.
Class indices (B,) become shares (B, K).
"""

from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from layerline.training.augmentation.augmenter_input import (
    Augment,
    InputFacts,
    image_sides,
    uniform,
)
from layerline.training.augmentation.erasing import rectangles

Alpha = Annotated[
    float, Field(gt=0, description="Of Beta(alpha, alpha): larger mixes more evenly.")
]
Probability = Annotated[float, Field(gt=0, le=1, description="That a batch's row is mixed.")]


def mixup(inputs: InputFacts, *, alpha: Alpha = 0.2, probability: Probability = 1.0) -> Augment:
    """A weighted mean of two rows; each row's weight is drawn from Beta(alpha, alpha).

    Source: Zhang et al., mixup (2018).
    """

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        kept = _kept_shares(x, generator, alpha, probability)
        mixed = torch.lerp(x.roll(1, 0), x, kept.view(-1, *[1] * (x.ndim - 1)))
        return mixed, _mixed_targets(y, kept, inputs.n_classes)

    return augment


def cutmix(inputs: InputFacts, *, alpha: Alpha = 1.0, probability: Probability = 1.0) -> Augment:
    """A rectangle of another image set in; its share of the image is the share of its target.

    The share is drawn from Beta(alpha, alpha). Source: Yun et al., CutMix (2019); our rectangle
    lies inside the image, theirs is cut off at its edges.
    """
    sides = image_sides("cutmix", inputs)

    def augment(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        area = 1 - _kept_shares(x, generator, alpha, probability)
        taken = rectangles(sides, area, torch.ones_like(area), (x, generator))
        kept = 1 - taken.mean(dim=(1, 2, 3))  # whole pixels, so not quite what was drawn
        mixed = torch.lerp(x, x.roll(1, 0), taken)
        return mixed, _mixed_targets(y, kept, inputs.n_classes)

    return augment


def _kept_shares(x: Tensor, generator: torch.Generator, alpha: float, probability: float) -> Tensor:
    """(B,) share of each row that stays its own; 1 for rows that are left alone."""
    # torch has no public Beta that takes a generator; numpy's is right for small alphas too.
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    drawn = np.random.default_rng(int(seed)).beta(alpha, alpha, len(x)).astype(np.float32)
    chosen = uniform(x, generator) < probability
    return torch.where(chosen, torch.from_numpy(drawn).to(x.device), 1.0)


def _mixed_targets(y: Tensor, kept: Tensor, n_classes: int | None) -> Tensor:
    shares = F.one_hot(y, n_classes).float() if y.dtype == torch.int64 and n_classes else y
    return torch.lerp(shares.roll(1, 0), shares, kept.view(-1, *[1] * (shares.ndim - 1)))
