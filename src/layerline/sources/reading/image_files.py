"""Image files -> uint8 arrays of one colour mode and one size; unusable ones are named."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.text import first_line, listing

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
Mode = Literal["L", "RGB"]
_EIGHT_BITS = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "PA")
_SHOWN = 5


@dataclass
class ImageReport:
    """What was done to the images, and which could not be read."""

    problems: list[str] = field(default_factory=list)
    n_resized: int = 0
    n_transparent: int = 0

    @property
    def notes(self) -> list[str]:
        done = (
            (self.n_resized, "resized"),
            (self.n_transparent, "put on black: they are transparent"),
        )
        return [f"{count:,} images were {what}" for count, what in done if count]


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) of an image, upright.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return _open(path).size[::-1]
    except Exception as error:  # Pillow's readers raise many kinds
        raise DataError(f"{path}: is not a readable image ({_reason(error)})") from None


def read_pictures(
    paths: Iterable[Path], mode: Mode, size: tuple[int, int], *, resize: bool, report: ImageReport
) -> Iterator[NDArray[np.uint8]]:
    """Each image as (H, W) for mode L, (H, W, 3) for RGB.

    Args:
        paths: the files.
        mode: L is grey (ITU-R 601 of the colours), RGB has three channels.
        size: (height, width) of all.
        resize: whether another size is brought to this one (bilinear), or a problem.
        report: collects what was done; images with problems are left out.
    """
    for path in paths:
        try:
            image = _flat(_open(path), report)
            if image.size[::-1] != size:
                if not resize:
                    height, width = image.size[::-1]
                    raise ValueError(f"{height} × {width}, but the first is {size[0]} × {size[1]}")
                image = image.convert(mode).resize(size[::-1], _bilinear())
                report.n_resized += 1
            yield np.asarray(image.convert(mode), dtype=np.uint8)
        except Exception as error:  # as above
            report.problems.append(f"{path} ({_reason(error)})")


def require_readable(report: ImageReport, where: str) -> None:
    """Refuse images of which some could not be read.

    Raises:
        DataError: the message names the first of them.
    """
    if report.problems:
        raise DataError(
            f"{where}: {len(report.problems)} images cannot be used: "
            f"{listing(report.problems, _SHOWN)}; repair or remove them, or set fetch.options.size "
            "if only their sizes differ"
        )


def _reason(error: BaseException) -> str:
    return first_line(error).removeprefix("cannot identify image file")[:120] or "not an image"


def _open(path: Path) -> Any:
    """The image, whole and upright.

    Raises:
        ValueError: several images in one file, or more than eight bits a channel.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            image.verify()  # PNG's checksums: load() alone takes a cut end
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError("several images in one file")
            if image.mode not in _EIGHT_BITS:
                raise ValueError(f"mode {image.mode}, not 8 bits a channel")
            image.load()
            return ImageOps.exif_transpose(image)


def _flat(image: Any, report: ImageReport) -> Any:
    """The image without transparency: on black, where it is not opaque."""
    from PIL import Image

    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA"):
        return image
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    report.n_transparent += 1
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR


def fill(path: Path, pictures: Iterator[NDArray[np.uint8]], shape: Sequence[int]) -> int:
    """Write images of this shape (N, H, W[, 3]) as one npy file; return how many there were."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=tuple(shape))
    count = 0
    for count, picture in enumerate(pictures, 1):
        array[count - 1] = picture
    array.flush()
    return count
