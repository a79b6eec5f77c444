"""What a split method may look at, and what it returns."""

import dataclasses
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.scaling.splitting.row_hash import Hashes
from layerline.text import closest

SPLIT_NAMES = ("train", "valid", "test")
TRAIN, VALID, TEST, LEFT_OUT = np.int8(0), np.int8(1), np.int8(2), np.int8(-1)
Labels = NDArray[np.int8]


class Columns(Protocol):
    """Rows whose columns are read by name, only when they are needed; a pandas frame is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, names: list[str]) -> pd.DataFrame: ...


@dataclasses.dataclass(frozen=True)
class SplitInput:
    """What a method may look at: rows (a table, or the labels of images), target and seed."""

    columns: Columns
    names: tuple[str, ...]  # of all columns
    row_hashes: Hashes  # (B,) of the features or pixels; an id must not tell twins apart
    target: str
    official: str | None
    is_classification: bool
    seed: int

    def __len__(self) -> int:
        return len(self.columns)

    def column(self, name: str, where: str = "scale.split.column") -> pd.Series:
        """One column, whole.

        Raises:
            DataError: there is no such column.
        """
        return self.several([name], where)[name]

    def several(self, names: list[str], where: str) -> pd.DataFrame:
        """Some columns, whole.

        Raises:
            DataError: there is no such column.
        """
        absent = [name for name in names if name not in self.names]
        if absent:
            near = closest(absent[0], self.names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise DataError(f"{where}: the data have no column {absent[0]!r}{hint}")
        return self.columns[names]
