"""A sample of rows as columns of numbers and of levels, for the test of the joint distribution."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.cast import cast_column
from layerline.columns.judge import STRICT, breaches
from layerline.columns.spec import ColumnSpec
from layerline.errors import DataError
from layerline.model.bundle import About, Rows
from layerline.model.image_inputs import read_images
from layerline.model.inputs import require_columns, with_absent, without_words
from layerline.validation.profile import plain_level

SEED = 0
MOST_SAMPLED = 2_000
_BLOCKS = 8  # of pixels, along a side
Columns = dict[str, NDArray[Any]]


class JointSample:
    """At most MOST_SAMPLED of the rows that are added, each with the same chance.

    The pieces in which rows come make no difference. Dates and free text are left out: the former
    move by themselves, of the latter no two are alike.

    Attributes:
        columns: (B,) float64 of each number, and texts of each category, NaN where there is none;
            the target, too; of images the mean of each block of pixels.
    """

    def __init__(self, about: About, target: ColumnSpec | None) -> None:
        self._about = about
        specs = [spec for spec in about.columns if spec.kind in ("number", "category")]
        known = [] if target is None else [target]
        self._specs = [*specs, *known] if specs else []
        self._generator = np.random.default_rng(SEED)
        self._keys: NDArray[np.float64] = np.empty(0)
        self._limit = 1.0
        self.columns: Columns = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, rows: Rows, may_be_drawn: NDArray[np.bool_] | None = None) -> None:
        """Draw from these rows, of which `may_be_drawn` (B,) are candidates.

        Raises:
            DataError: a column is missing.
        """
        keys = self._generator.random(len(rows))
        if may_be_drawn is not None:
            keys[~may_be_drawn] = 1.0
        places = np.flatnonzero(keys < self._limit)
        if len(places) > MOST_SAMPLED:  # the others would be read in vain
            places = np.sort(places[np.argsort(keys[places], kind="stable")[:MOST_SAMPLED]])
        if not len(places):
            return
        read = self._read(rows.iloc[places] if isinstance(rows, pd.DataFrame) else rows[places])
        self._keys = np.concatenate([self._keys, keys[places]])
        known = self.columns or {name: values[:0] for name, values in read.items()}
        self.columns = {name: np.concatenate([known[name], read[name]]) for name in known}
        if len(self) > MOST_SAMPLED:
            kept = np.sort(np.argsort(self._keys, kind="stable")[:MOST_SAMPLED])
            self._keys = self._keys[kept]
            self._limit = float(self._keys.max())
            self.columns = {name: values[kept] for name, values in self.columns.items()}

    def _read(self, rows: Rows) -> Columns:
        about = self._about
        if about.image_shape is not None:
            return image_blocks(read_images(rows, about.image_shape, about.target))
        if not isinstance(rows, pd.DataFrame):
            raise DataError("the model reads a table with named columns, not arrays")
        rows = with_absent(rows, about.columns, about.dialect.union)
        require_columns(rows, about.columns)
        read = {}
        for spec in self._specs:
            if spec.name in rows:
                values, unread = read_column(rows, spec, about)
                read[spec.name] = _plain(values.mask(unread), spec)
            else:
                read[spec.name] = np.full(len(rows), np.nan)  # a target that is not known yet
        return read


def read_column(
    rows: pd.DataFrame, spec: ColumnSpec, about: About
) -> tuple[pd.Series, NDArray[np.bool_]]:
    """A column's values, typed as the model reads them, and which (B,) it would refuse."""
    cast = cast_column(without_words(rows[spec.name], about.dialect.missing), spec)
    unread = np.zeros(len(rows), dtype=np.bool_)
    for breach in breaches(cast, spec, rules=STRICT):
        unread |= breach.rows
    return cast.values, unread


def _plain(values: pd.Series, spec: ColumnSpec) -> NDArray[Any]:
    if spec.kind == "number":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, levels = pd.factorize(values)
    names = np.array([*(str(plain_level(level)) for level in levels), np.nan], dtype=object)
    return names[codes]  # a gap's code is -1


def image_blocks(images: NDArray[Any]) -> Columns:
    """The sum of the pixels in each of at most 8 x 8 blocks of images (N, H, W[, C])."""
    grey = images.reshape(*images.shape[:3], -1).sum(axis=3, dtype=np.float64)
    starts = [np.arange(0, size, -(-size // _BLOCKS)) for size in grey.shape[1:]]
    rows = np.add.reduceat(grey, starts[0], axis=1)
    sums = np.add.reduceat(rows, starts[1], axis=2)
    return {
        f"pixels from row {top}, column {left}": sums[:, y, x]
        for y, top in enumerate(starts[0])
        for x, left in enumerate(starts[1])
    }
