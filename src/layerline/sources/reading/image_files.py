"""Image files -> uint8 arrays of one colour mode and one size; unusable ones are named."""

import io
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.errors import DataError, SourceError
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


def pictures_below(folder: Path) -> tuple[list[Path], int]:
    """The images below a folder, by name, and the number of other files; hidden ones aside.

    Raises:
        SourceError: a folder cannot be read; glob would pass over it.
    """

    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename}: cannot be read ({error.strerror})")

    found = sorted(
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if name[0] != "."
    )
    pictures = [path for path in found if path.suffix.lower() in PICTURES]
    return pictures, len(found) - len(pictures)


class PictureFacts(NamedTuple):
    """The size of an image, upright, and whether it has no colours."""

    height: int
    width: int
    is_grey: bool


def describe_picture(path: Path) -> PictureFacts:
    """What an image is like.

    Raises:
        DataError: it cannot be read.
    """
    try:
        image = _open(path)
    except Exception as error:  # Pillow's readers raise many kinds
        raise DataError(f"{path}: is not a readable image ({_reason(error)})") from None
    width, height = image.size
    return PictureFacts(height, width, image.mode in ("1", "L", "LA"))


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
            yield read_picture(path, mode, size, resize=resize, report=report)
        except ValueError as error:
            report.problems.append(f"{path} ({error})")


def read_picture(
    source: Path | bytes, mode: Mode, size: tuple[int, int], *, resize: bool, report: ImageReport
) -> NDArray[np.uint8]:
    """One image, from its file or its content; the arguments are those of `read_pictures`.

    Raises:
        ValueError: it cannot be used; the message is the reason.
    """
    try:
        image = _flat(_open(source), report)
        if image.size[::-1] != size:
            if not resize:
                height, width = image.size[::-1]
                raise ValueError(f"{height} × {width} pixels, not {size[0]} × {size[1]}")
            image = image.convert(mode).resize(size[::-1], _bilinear())
            report.n_resized += 1
        return np.asarray(image.convert(mode), dtype=np.uint8)
    except Exception as error:  # Pillow's readers raise many kinds
        raise ValueError(_reason(error)) from None


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
    text = first_line(error)
    is_unknown = not text or text.startswith("cannot identify image file")
    return "not an image" if is_unknown else text[:120]


def _open(source: Path | bytes) -> Any:
    """The image, whole and upright.

    Raises:
        ValueError: several images in one file, or more than eight bits a channel.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(_stream(source)) as image:
            image.verify()  # PNG's checksums: load() alone takes a cut end
        with Image.open(_stream(source)) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError("several images in one file")
            if image.mode not in _EIGHT_BITS:
                raise ValueError(f"mode {image.mode}, not 8 bits a channel")
            image.load()
            return ImageOps.exif_transpose(image)


def _stream(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


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
