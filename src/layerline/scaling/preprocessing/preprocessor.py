"""The preprocessor: raw columns in, the network's arrays out, and targets back again.

It is fitted on train rows with scikit-learn (fit.py), frozen to JSON numbers, and applied with
numpy: no pickle, the same bytes for the same content, and nothing heavy to import where a model
predicts.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.scaling.preprocessing.categories import Category, codes_of
from layerline.scaling.preprocessing.dates import Dates
from layerline.scaling.preprocessing.numbers import Numbers
from layerline.scaling.preprocessing.scalers import Affine
from layerline.scaling.preprocessing.target_transforms import NO_CURVE, TargetCurve, read_curve
from layerline.tables.targets import TargetColumn, encode_targets, read_targets, write_targets

Images = NDArray[np.uint8]
_DROPPED = "\0"  # begins the name of a column that is left behind; no real name does


@dataclasses.dataclass(frozen=True)
class Preprocessor:
    """Fitted on train rows; `image` holds the pixel scaling and then there are no columns.

    Of several targets `target` has the names in a row, for messages, and `targets` is each.
    Features come in this order: numbers, dates, categories; those that are codes are the last.
    """

    target: str
    task: str
    classes: tuple[Any, ...] | None
    target_center: float = 0.0
    target_scale: float = 1.0
    numbers: Numbers | None = None
    categories: tuple[Category, ...] = ()
    image: Affine | None = None
    image_shape: tuple[int, ...] | None = None  # (H, W) or (H, W, C), as the user has them
    dates: tuple[Dates, ...] = ()
    target_curve: TargetCurve = NO_CURVE
    targets: tuple[TargetColumn, ...] = ()

    @property
    def input_columns(self) -> list[str]:
        """The raw columns it reads, in the order of its features."""
        numbers = list(self.numbers.names) if self.numbers else []
        return [*numbers, *(item.name for item in self._by_column)]

    @property
    def _by_column(self) -> tuple[Dates | Category, ...]:
        return (*self.dates, *self.categories)

    @property
    def features(self) -> list[str]:
        """The names of the F features it gives."""
        numbers = self.numbers.features if self.numbers else []
        return [*numbers, *(name for item in self._by_column for name in item.features)]

    def renamed(self, columns: Mapping[str, str | None]) -> "Preprocessor":
        """The same preprocessor with its columns under other names, in the same order.

        A column mapped to None keeps a name that no table has: its features are there, but nothing
        in the new data matches it.
        """

        def name_of(old: str) -> str:
            new = columns.get(old, old)
            return f"{_DROPPED}{old}" if new is None else new

        state = self.to_json()
        if state["numbers"]:
            for key in ("names", "indicators"):
                state["numbers"][key] = [name_of(name) for name in state["numbers"][key]]
        for key in ("dates", "categories"):
            for item in state[key]:
                item["name"] = name_of(item["name"])
        return Preprocessor.from_json(state)

    @property
    def category_sizes(self) -> tuple[int, ...]:
        """How many codes each of the last C features has, for embeddings."""
        return tuple(item.n_places for item in self.categories if item.is_code)

    def describe(self) -> dict[str, Any]:
        """What a network must know of the arrays, for the manifest of data/scaled."""
        shape = [len(self.features)]
        if self.image_shape is not None:
            shape = [(*self.image_shape, 1)[2], *self.image_shape[:2]]
        return {
            "shape": shape,
            "features": None if self.image else self.features,
            "target_center": self.target_center,
            "target_scale": self.target_scale,
            "target_curve": None if self.target_curve == NO_CURVE else self.target_curve.to_json(),
            "category_sizes": list(self.category_sizes),
            **self._several(),
        }

    def _several(self) -> dict[str, Any]:
        return {"targets": write_targets(self.targets)} if self.targets else {}

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
        x = np.empty((len(frame), len(self.features)), np.float32)
        start = 0
        if self.numbers:
            start = len(self.numbers.features)
            self.numbers.write(frame, x[:, :start])
        for item in self._by_column:
            block = item.apply(frame[item.name])
            x[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return x

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

    def encode_targets(self, rows: pd.DataFrame) -> NDArray[Any]:
        """The targets of rows -> (B,) as `encode_target`; several -> (B, T) float32.

        Raises:
            DataError: as `encode_target`.
        """
        if self.targets:
            return encode_targets(rows, self.targets)
        return self.encode_target(rows[self.target])

    def encode_target(self, target: pd.Series) -> NDArray[Any]:
        """Classes -> (B,) int64 index; numbers -> (B,) float32, standardised.

        Raises:
            DataError: a class that is not known, a number that has no logarithm.
        """
        if self.classes is None:
            values = self.target_curve.apply(target.to_numpy(dtype=np.float64))
            return ((values - self.target_center) / self.target_scale).astype(np.float32)
        codes = codes_of(target, self.classes)
        if (codes < 0).any():
            raise DataError(f"target {self.target!r} has a class that is not in {self.classes}")
        return codes

    def decode_target(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Standardised numbers (B,) -> the user's unit (B,)."""
        numbers = outputs.astype(np.float64) * self.target_scale + self.target_center
        return self.target_curve.invert(numbers)

    def to_json(self) -> dict[str, Any]:
        """Its whole state, as JSON can hold it."""
        flat = ("target", "task", "classes", "target_center", "target_scale", "image_shape")
        return {
            **{name: getattr(self, name) for name in flat},
            "numbers": self.numbers.to_json() if self.numbers else None,
            "dates": [item.to_json() for item in self.dates],
            "categories": [dataclasses.asdict(item) for item in self.categories],
            "image": self.image.to_json() if self.image else None,
            "target_curve": None if self.target_curve == NO_CURVE else self.target_curve.to_json(),
            **self._several(),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Preprocessor":
        """The inverse of `to_json`; older states lack dates and curve."""
        numbers, image = state["numbers"], state["image"]
        shape, classes = state["image_shape"], state["classes"]
        return cls(
            **{key: state[key] for key in ("target", "task", "target_center", "target_scale")},
            classes=None if classes is None else tuple(classes),
            numbers=None if numbers is None else Numbers.from_json(numbers),
            dates=tuple(map(Dates.from_json, state.get("dates", ()))),
            categories=tuple(map(Category.from_json, state["categories"])),
            image=None if image is None else Affine.from_json(image),
            image_shape=None if shape is None else tuple(shape),
            target_curve=read_curve(state.get("target_curve")),
            targets=read_targets(state.get("targets")),
        )
