"""Picture files as a model for images takes them: coloured, sized and greyed as in training."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.model.bundle import About
from layerline.sources.reading.image_files import (
    PICTURES,
    ImageReport,
    Mode,
    pictures_below,
    read_picture,
)


class PictureForm(NamedTuple):
    """What pictures are brought to: `shape` is (H, W), (H, W, 1) or (H, W, 3)."""

    shape: tuple[int, ...]
    resizes: bool  # whether another size is resized, as in training, or refused

    @property
    def mode(self) -> Mode:
        return "RGB" if self.shape[2:] == (3,) else "L"


def picture_form(about: About) -> PictureForm | None:
    """The form of a model's pictures; None for tables, and for channels no picture file has."""
    shape = about.image_shape
    if shape is None or shape[2:] not in ((), (1,), (3,)):
        return None
    return PictureForm(shape, about.resizes_images)


def decode_pictures(
    sources: Sequence[Path | bytes], form: PictureForm
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Files or their contents -> (N, H, W[, C]), and why some of them, left black, cannot be used.

    Returns:
        The images, and the reasons by position.
    """
    images = np.zeros((len(sources), *form.shape), np.uint8)
    reasons: dict[int, str] = {}
    size = (form.shape[0], form.shape[1])
    for at, source in enumerate(sources):
        try:
            found = read_picture(source, form.mode, size, resize=form.resizes, report=ImageReport())
            images[at] = found.reshape(form.shape)
        except ValueError as error:
            reasons[at] = str(error)
    return images, reasons


def find_pictures(path: Path) -> list[Path]:
    """A picture, or all pictures below a folder, in the order of their names.

    Raises:
        ParamsError: there is none.
        SourceError: a folder cannot be read.
    """
    if not path.is_dir():
        return [path]

    found, _ = pictures_below(path)
    if not found:
        message = f"{path} holds no picture (their names end in {', '.join(PICTURES)})"
        raise ParamsError([Problem("INPUT", message)], "layerline predict")
    return found
