"""A few images of each class, as one PNG per class."""

import base64
import io

import numpy as np
from numpy.typing import NDArray

SHOWN = 10  # of each class
MAX_CLASSES = 40
GAP = 2  # pixels between two images
MAX_SIDE = 96  # larger images are thinned


def strip(images: NDArray[np.uint8]) -> str:
    """Images (N, H, W[, C]) side by side, as a data URL."""
    step = -(-max(images.shape[1:3]) // MAX_SIDE)
    images = images[:, ::step, ::step]
    height, width = images.shape[1:3]
    channels = 1 if images.ndim == 3 or images.shape[3] not in (3, 4) else images.shape[3]
    pixels = images.reshape(len(images), height, width, -1)[..., :channels]
    sheet = np.full((height, len(images) * (width + GAP) - GAP, channels), 128, dtype=np.uint8)
    for position, image in enumerate(pixels):
        left = position * (width + GAP)
        sheet[:, left : left + width] = image
    return f"data:image/png;base64,{base64.b64encode(png(sheet)).decode()}"


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, C) as PNG; C is 1 (grey), 3 (RGB) or 4 (RGBA)."""
    from PIL import Image  # not at the top: only pages with images need it

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
