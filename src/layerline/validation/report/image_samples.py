"""A few images of each class, as one PNG a class."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SHOWN = 10  # of each class
MAX_CLASSES = 40
GAP = 2  # pixels between two images
MAX_SIDE = 96  # larger images are thinned


def strip(images: NDArray[np.uint8]) -> str:
    """Images (N, H, W[, C]) beside each other as a data URL."""
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
    """(H, W, C) as PNG; C is 1 (grey), 3 (RGB) or 4 (RGBA).

    Source: W3C, Portable Network Graphics, third edition, 5 and 11.
    """
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    lines = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # each begins with filter 0
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = zlib.compress(lines.tobytes(), 6)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
