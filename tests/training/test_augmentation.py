"""Contract of every augmentation, and what each does to images of which the answer is known."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from layerline.config import Component
from layerline.errors import ParamsError
from layerline.training.augmentation import AUGMENTATIONS, InputFacts, build_augmentation
from layerline.training.augmentation.erasing import rectangles
from layerline.training.objectives import build_loss

N_IMAGES, N_CLASSES = 63, 3  # so that no image is next to one of its class
SHAPE = (2, 8, 10)  # an oblong, so that height and width cannot be taken for each other
FILL = torch.tensor([-0.5, -2.0])
IMAGES = InputFacts(SHAPE, FILL, N_CLASSES)


def images(n_images: int = N_IMAGES) -> tuple[Tensor, Tensor]:
    x = torch.rand(n_images, *SHAPE, generator=torch.Generator().manual_seed(0)) + 1
    return x, torch.arange(n_images) % N_CLASSES


def augmented(
    *components: Component, seed: int = 0, inputs: InputFacts = IMAGES
) -> tuple[Tensor, Tensor]:
    augment = build_augmentation(components, inputs)
    return augment(*images(), torch.Generator().manual_seed(seed))


def named(name: str, **options: Any) -> Component:
    return Component(name=name, options=options)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_draws_from_its_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    x, y = augmented(named(name))
    torch.manual_seed(5)
    np.random.seed(5)
    again, targets = augmented(named(name))
    other, _ = augmented(named(name), seed=1)
    assert torch.equal(x, again)
    assert torch.equal(y, targets)
    assert not torch.equal(x, other)
    torch.set_rng_state(before)
    augmented(named(name))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_keeps_shape_type_and_what_it_was_given(name: str) -> None:
    x, y = images()
    new, targets = build_augmentation([named(name)], IMAGES)(x, y, torch.Generator())
    assert (new.shape, new.dtype) == (x.shape, x.dtype)
    assert new.is_contiguous()
    assert not torch.equal(new, x)
    assert torch.equal(x, images()[0])
    low, high = FILL.min(), x.max()
    assert low - 1e-5 <= float(new.min()) <= float(new.max()) <= high + 1e-5
    assert torch.equal(targets, y) or torch.allclose(targets.sum(1), torch.ones(len(y)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_takes_one_image_alone(name: str) -> None:
    x, y = images(1)
    new, _ = build_augmentation([named(name)], IMAGES)(x, y, torch.Generator().manual_seed(0))
    assert new.shape == x.shape


def test_shift_moves_each_image_by_whole_pixels_along_both_axes() -> None:
    x, _ = images()
    new, _ = augmented(named("shift", pixels=2))
    seen = set()
    for image, moved in zip(x, new, strict=True):
        frame = FILL.view(2, 1, 1).expand(2, 12, 14).clone()
        frame[:, 2:10, 2:12] = image
        seen |= {
            (down, right)
            for down in range(5)
            for right in range(5)
            if torch.equal(frame[:, down : down + 8, right : right + 10], moved)
        }
    assert len(seen) > 20
    assert {down for down, _ in seen} == {right for _, right in seen} == set(range(5))


def test_flip_mirrors_about_half_of_the_images() -> None:
    x, _ = images()
    new, _ = augmented(named("flip"))
    flipped = (new == x.flip(3)).flatten(1).all(1)
    kept = (new == x).flatten(1).all(1)
    assert (flipped ^ kept).all()
    assert 16 < int(flipped.sum()) < 48


def centre_of_light(images: Tensor) -> Tensor:
    """(B, 2) row and column of the centre of mass, from the image's middle."""
    light = images / images.sum((1, 2, 3), keepdim=True)
    rows = torch.arange(images.shape[2]) - (images.shape[2] - 1) / 2
    columns = torch.arange(images.shape[3]) - (images.shape[3] - 1) / 2
    return torch.stack([(light.sum((1, 3)) * rows).sum(1), (light.sum((1, 2)) * columns).sum(1)], 1)


def test_rotate_turns_about_the_middle_and_not_too_far() -> None:
    x = torch.zeros(64, 1, 21, 31)
    x[:, :, 5:8, 20:23] = 1.0
    augment = build_augmentation(
        [named("rotate", degrees=30.0)], InputFacts((1, 21, 31), torch.zeros(1), None)
    )
    new, _ = augment(x, torch.zeros(64), torch.Generator().manual_seed(0))
    start, end = centre_of_light(x), centre_of_light(new)
    assert torch.allclose(start.norm(dim=1), end.norm(dim=1), atol=0.1)
    angles = torch.rad2deg(
        torch.atan2(start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0], (start * end).sum(1))
    )
    assert float(angles.abs().max()) < 30.5
    assert float(angles.min()) < -20 < 20 < float(angles.max())


def test_rotate_fills_corners_with_the_background() -> None:
    x = torch.ones(32, 2, 9, 9)
    augment = build_augmentation([named("rotate", degrees=45.0)], InputFacts((2, 9, 9), FILL, None))
    new, _ = augment(x, torch.zeros(32), torch.Generator().manual_seed(0))
    most_turned = new[:, :, 0, 0].amin(0)
    assert torch.allclose(most_turned, FILL, atol=0.05)
    assert torch.allclose(new[:, :, 4, 4], torch.ones(32, 2))


def test_erase_paints_a_rectangle_of_some_images() -> None:
    x, _ = images()
    new, _ = augmented(named("erase", smallest=0.1, largest=0.3))
    gone = new != x
    assert torch.equal(gone[:, 0], gone[:, 1])  # the same in each channel
    shares = gone[:, 0].float().mean((1, 2))
    assert 16 < int((shares > 0).sum()) < 48
    assert float(shares[shares > 0].min()) > 0.05
    assert float(shares.max()) < 0.4
    for mask in gone[shares > 0, 0]:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        assert int(rows.sum()) == int(rows.nonzero().max() - rows.nonzero().min()) + 1
    painted = new.movedim(1, -1)[gone[:, 0]]
    assert torch.equal(painted, FILL.expand_as(painted))


@pytest.mark.parametrize("area", [0.0, 0.25, 1.0])
def test_a_rectangle_lies_inside_and_has_the_size_that_was_asked_for(area: float) -> None:
    x, generator = torch.zeros(3000, 1, 20, 30), torch.Generator().manual_seed(0)
    ones = torch.ones(3000)
    masks = rectangles((20, 30), ones * area, ones, (x, generator))
    assert masks.shape == (3000, 1, 20, 30)
    assert torch.equal(masks.float().mean((1, 2, 3)), ones * area)
    if area == 0.25:
        assert masks.any(0).all()  # anywhere, corners too


def test_mixup_mixes_images_and_targets_by_the_same_weights() -> None:
    x, y = images()
    new, targets = augmented(named("mixup", alpha=1.0))
    one_hot, partner = F.one_hot(y, N_CLASSES).float(), x.roll(1, 0)
    kept = (targets * one_hot).sum(1)
    weights = kept.view(-1, 1, 1, 1)
    assert torch.allclose(new, weights * x + (1 - weights) * partner, atol=1e-5)
    assert torch.allclose(
        targets, kept[:, None] * one_hot + (1 - kept[:, None]) * one_hot.roll(1, 0), atol=1e-6
    )
    assert float(kept.std()) == pytest.approx(math.sqrt(1 / 12), abs=0.08)  # Beta(1, 1)


def test_mixup_mixes_numbers_and_tables_too() -> None:
    x, y = torch.rand(50, 4), torch.rand(50)
    augment = build_augmentation(
        [named("mixup", alpha=1.0)], InputFacts((4,), torch.zeros(4), None)
    )
    new, targets = augment(x, y, torch.Generator().manual_seed(0))
    kept = (targets - y.roll(1)) / (y - y.roll(1))
    assert torch.allclose(new, torch.lerp(x.roll(1, 0), x, kept[:, None]), atol=1e-3)


def test_cutmix_sets_in_a_rectangle_and_its_share_of_the_target() -> None:
    x, y = images()
    new, targets = augmented(named("cutmix"))
    taken = new == x.roll(1, 0)
    assert ((new == x) ^ taken).all()  # each pixel exactly one image's
    share = taken.float().mean((1, 2, 3))
    one_hot = F.one_hot(y, N_CLASSES).float()
    expected = torch.lerp(one_hot, one_hot.roll(1, 0), share[:, None])
    assert torch.allclose(targets, expected, atol=1e-6)
    assert float(share.min()) < 0.1 < 0.9 < float(share.max())


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_probability_leaves_rows_alone(name: str) -> None:
    x, y = images()
    new, targets = augmented(named(name, alpha=1.0, probability=0.5))
    alone = (new == x).flatten(1).all(1)
    assert 16 < int(alone.sum()) < 48
    assert torch.equal(targets[alone], F.one_hot(y, N_CLASSES).float()[alone])


def test_augmentations_follow_one_another() -> None:
    names = ("shift", "flip", "rotate", "erase", "mixup", "cutmix")
    x, targets = augmented(*map(named, names))
    assert x.shape == images()[0].shape
    loss = build_loss(Component(name="cross_entropy"), "multiclass")
    outputs = torch.zeros(N_IMAGES, N_CLASSES)
    assert float(loss(outputs, targets)) == pytest.approx(math.log(N_CLASSES))
    assert not torch.equal(x, augmented(*map(named, reversed(names)))[0])


def test_none_changes_nothing() -> None:
    x, y = augmented()
    assert torch.equal(x, images()[0])
    assert torch.equal(y, images()[1])


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "mixup"])
def test_moving_pixels_of_a_table_is_refused(name: str) -> None:
    table = InputFacts((4,), torch.zeros(4), 2)
    with pytest.raises(ParamsError, match=f"train.augment: '{name}' moves pixels, and these data"):
        build_augmentation([named(name)], table)


@pytest.mark.parametrize(
    ("component", "told"),
    [
        (named("shift", pixels=8), r"shift\.pixels must be below the image's side, 8, got 8"),
        (named("shfit"), r"train\.augment\.1: 'shfit' is not known; did you mean 'shift'"),
        (named("flip", probability=2), r"train\.augment\.1\.probability: input should be less"),
    ],
)
def test_what_cannot_be_is_reported(component: Component, told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        build_augmentation([named("flip"), component], IMAGES)
