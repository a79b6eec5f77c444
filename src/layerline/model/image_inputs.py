"""Images, as a user has them, -> (N, H, W) or (N, H, W, C) uint8."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.cast import cast_column
from layerline.columns.spec import ColumnSpec
from layerline.errors import DataError
from layerline.model.refusals import RAISE, Refusal


def read_images(
    data: object, shape: tuple[int, ...], target: str, refusal: Refusal = RAISE
) -> NDArray[np.uint8]:
    """Return the images of an array, or of a table with one column a pixel.

    Args:
        data: an array (N, H, W[, C]) or (N, pixels) of whole numbers 0 to 255; or a DataFrame of
            H x W x C columns in row-major order, as MNIST is often distributed in CSV.
        shape: (H, W) or (H, W, C), as in training.
        target: a column of that name is left out.
        refusal: what happens to values that are not pixels.

    Raises:
        DataError: the sizes do not match; by default also when a value is not a pixel.
    """
    if isinstance(data, pd.DataFrame):
        array = _from_columns(data.drop(columns=target, errors="ignore"), shape, refusal)
    else:
        array = np.asarray(data)
    n_pixels = math.prod(shape)
    fits = array.shape[1:] in (shape, (*shape, 1), (n_pixels,))
    if array.ndim < 2 or not (fits or (shape[-1] == 1 and array.shape[1:] == shape[:-1])):
        raise DataError(
            f"images must have the shape (N, {', '.join(map(str, shape))}), found {array.shape}"
        )
    return _as_bytes(array, refusal).reshape(len(array), *shape)


def _from_columns(
    frame: pd.DataFrame, shape: tuple[int, ...], refusal: Refusal
) -> NDArray[np.float64]:
    n_pixels = math.prod(shape)
    if frame.shape[1] != n_pixels:
        sizes = " x ".join(map(str, shape))
        raise DataError(
            f"a table of images needs {n_pixels} columns ({sizes} pixels in row-major order) "
            f"besides the target, found {frame.shape[1]}"
        )
    pixels = np.empty((len(frame), n_pixels))
    for position, name in enumerate(frame.columns):
        spec = ColumnSpec(str(name), "number", "float64")
        values, unread = cast_column(frame.iloc[:, position], spec)
        _refuse_text(name, unread, refusal)
        pixels[:, position] = values
    return pixels


def _refuse_text(name: object, unread: NDArray[np.bool_], refusal: Refusal) -> None:
    reason = f"column {name!r} must hold pixels (0 to 255), not text"
    refusal.refuse(
        unread, lambda found: f"{reason} (row {refusal.number(found[0])})", lambda _: reason
    )


def _as_bytes(array: NDArray[Any], refusal: Refusal) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"images must be whole numbers 0 to 255, found values of type {array.dtype}"
        )
    # Values scaled to [0, 1] would all become black: they are refused, not rounded.
    flat = array.reshape(len(array), -1)
    wrong = ~((flat >= 0) & (flat <= 255) & (flat == np.floor(flat))).all(axis=1)
    rule = "images must be whole numbers 0 to 255, as the training images were"
    remedy = "holds other values (scaled to 0..1? multiply by 255 and round)"
    refusal.refuse(
        wrong,
        lambda positions: f"{rule}; image {refusal.number(positions[0])} {remedy}",
        lambda _: f"{rule}; it {remedy}",
    )
    flat = np.where(wrong[:, None], 0, flat) if wrong.any() else flat
    return flat.astype(np.uint8).reshape(array.shape)
