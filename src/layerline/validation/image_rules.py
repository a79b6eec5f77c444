"""What can be wrong with a single image."""

import numpy as np
from numpy.typing import NDArray

from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violations import Hit

CHUNK = 4096  # images looked at together


def blank_images(images: NDArray[np.uint8], schema: TableSchema) -> list[Hit]:
    """Images whose pixels are all the same: an empty scan, a picture that was never loaded."""
    severity = schema.setting("blank_images").severity
    if severity == "off":
        return []
    blank = []
    for start in range(0, len(images), CHUNK):
        pixels = np.asarray(images[start : start + CHUNK])
        pixels = pixels.reshape(len(pixels), -1)
        blank.append(np.flatnonzero(pixels.min(axis=1) == pixels.max(axis=1)) + start)
    rows = np.concatenate(blank) if blank else np.empty(0, dtype=np.int64)
    return [Hit("blank_images", None, rows, severity=severity)] if len(rows) else []
