"""The preprocessor: raw columns in, the network's arrays out, and targets back again.

It is fitted on train rows with scikit-learn (fitting.py), frozen to JSON numbers, and applied with
numpy: no pickle, the same bytes for the same content, and nothing heavy to import where a model
predicts.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.data.preprocessing.scalers import Affine
from layerline.errors import DataError

MISSING = None  # the level of a gap, as JSON has it
Images = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The numeric block: fill gaps, scale, and say which values were gaps."""

    names: tuple[str, ...]
    fill: tuple[float, ...]
    affine: Affine
    indicators: tuple[str, ...]  # columns that had gaps in the train rows

    def apply(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """(B rows) -> (B, F + indicators)."""
        values = to_numbers(frame, self.names)
        gaps = np.isnan(values)
        scaled = self.affine.apply(np.where(gaps, np.asarray(self.fill), values))
        marked = [self.names.index(name) for name in self.indicators]
        return np.hstack([scaled, gaps[:, marked].astype(np.float64)])

    @property
    def features(self) -> list[str]:
        return [*self.names, *(f"{name} is missing" for name in self.indicators)]


@dataclasses.dataclass(frozen=True)
class Category:
    """One categorical column, one feature a level seen in the train rows; others give all zeros."""

    name: str
    levels: tuple[Any, ...]

    def apply(self, column: pd.Series) -> NDArray[np.float64]:
        """(B,) -> (B, levels)."""
        codes = _codes(column, self.levels)
        return (codes[:, None] == np.arange(len(self.levels))).astype(np.float64)

    @property
    def features(self) -> list[str]:
        return [
            f"{self.name} is missing" if level is MISSING else f"{self.name}={level}"
            for level in self.levels
        ]


@dataclasses.dataclass(frozen=True)
class Preprocessor:
    """Fitted on train rows; `image` holds the pixel scaling and then there are no columns."""

    target: str
    task: str
    classes: tuple[Any, ...] | None
    target_center: float = 0.0
    target_scale: float = 1.0
    numbers: Numbers | None = None
    categories: tuple[Category, ...] = ()
    image: Affine | None = None
    image_shape: tuple[int, ...] | None = None  # (H, W) or (H, W, C), as the user has them

    @property
    def input_columns(self) -> list[str]:
        """The raw columns it reads, in the order of its features."""
        numbers = list(self.numbers.names) if self.numbers else []
        return [*numbers, *(category.name for category in self.categories)]

    @property
    def features(self) -> list[str]:
        """The names of the F features it gives."""
        numbers = self.numbers.features if self.numbers else []
        return [*numbers, *(name for item in self.categories for name in item.features)]

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Raw columns -> (B, F) float32.

        Raises:
            DataError: a column is not there, or holds text where numbers are meant.
        """
        absent = [name for name in self.input_columns if name not in frame]
        if absent:
            raise DataError(
                f"column {absent[0]!r} is not in the data; the model needs {self.input_columns}"
            )
        blocks = [self.numbers.apply(frame)] if self.numbers else []
        blocks += [category.apply(frame[category.name]) for category in self.categories]
        return np.hstack(blocks).astype(np.float32)

    def transform_images(self, images: Images) -> NDArray[np.float32]:
        """(B, H, W) or (B, H, W, C) uint8 -> (B, C, H, W) float32."""
        if self.image is None or images.shape[1:] != self.image_shape:
            raise DataError(f"images must be {self.image_shape}, found {images.shape[1:]}")
        pixels = images[..., None] if images.ndim == 3 else images
        center, scale = (
            np.asarray(part, np.float32) for part in (self.image.center, self.image.scale)
        )
        scaled = (pixels.astype(np.float32) - center) / scale
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def encode_target(self, target: pd.Series) -> NDArray[Any]:
        """Classes -> (B,) int64 index; numbers -> (B,) float32, standardised."""
        if self.classes is None:
            values = target.to_numpy(dtype=np.float64)
            return ((values - self.target_center) / self.target_scale).astype(np.float32)
        codes = _codes(target, self.classes)
        if (codes < 0).any():
            raise DataError(f"target {self.target!r} has a class that is not in {self.classes}")
        return codes

    def decode_target(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Standardised numbers (B,) -> the user's unit (B,)."""
        return outputs.astype(np.float64) * self.target_scale + self.target_center

    def to_json(self) -> dict[str, Any]:
        """Its whole state, as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Preprocessor":
        """The inverse of `to_json`."""
        numbers, image = state["numbers"], state["image"]
        shape, classes = state["image_shape"], state["classes"]
        return cls(
            **{key: state[key] for key in ("target", "task", "target_center", "target_scale")},
            classes=None if classes is None else tuple(classes),
            numbers=None if numbers is None else _numbers_from_json(numbers),
            categories=tuple(Category(c["name"], tuple(c["levels"])) for c in state["categories"]),
            image=None if image is None else _affine_from_json(image),
            image_shape=None if shape is None else tuple(shape),
        )


def _affine_from_json(state: Mapping[str, Any]) -> Affine:
    return Affine(tuple(state["center"]), tuple(state["scale"]), state["clip"])


def _numbers_from_json(state: Mapping[str, Any]) -> Numbers:
    names, fill, indicators = (tuple(state[key]) for key in ("names", "fill", "indicators"))
    return Numbers(names, fill, _affine_from_json(state["affine"]), indicators)


def to_numbers(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Numeric, boolean and date columns -> (B, F) float64; gaps are NaN, dates days since 1970."""
    values = np.empty((len(frame), len(names)))
    for index, name in enumerate(names):
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            column = (column - pd.Timestamp(0, tz=column.dt.tz)) / pd.Timedelta(days=1)
        try:
            values[:, index] = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError) as error:
            raise DataError(f"column {name!r} must hold numbers: {error}") from None
    return values


def _codes(column: pd.Series, levels: Sequence[Any]) -> NDArray[np.int64]:
    """(B,) position of each value in `levels`; -1 where it is none of them."""
    index = {level: position for position, level in enumerate(levels)}
    gap = index.get(MISSING, -1)
    codes = column.astype(object).map(index, na_action="ignore").fillna(-1).astype(np.int64)
    return np.where(column.isna(), gap, codes)
