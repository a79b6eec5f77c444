"""A split method: what it may look at, what it returns, and its line in the table."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.config import SEVERAL
from layerline.errors import DataError
from layerline.scaling.splitting.row_hash import Hashes
from layerline.text import closest

SPLIT_NAMES = ("train", "valid", "test")
TRAIN, VALID, TEST, LEFT_OUT = np.int8(0), np.int8(1), np.int8(2), np.int8(-1)
Labels = NDArray[np.int8]
ANY_TASK = ("binary", "multiclass", "regression", *SEVERAL)


class Columns(Protocol):
    """Rows whose columns are read by name, only when they are needed; a pandas frame is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, names: list[str]) -> pd.DataFrame: ...


@dataclasses.dataclass(frozen=True)
class SplitInput:
    """What a method may look at: rows (a table, or the labels of images), target and seed."""

    columns: Columns
    names: tuple[str, ...]  # of all columns
    row_hashes: Hashes  # (B,) of the features or pixels; an id must not separate duplicates
    target: str
    official: str | None  # the column of the source's own split
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


@dataclasses.dataclass(frozen=True)
class Split:
    """A line of the table of splits.

    Attributes:
        build: (rows, options) -> (B,) the split of each row.
        is_stable: a row keeps its split while other rows come and go (as long as what decides
            about it stays the same).
        has_salt: rows are dealt by their hash, and another `salt` assigns them again.
        key_option: the option that names columns which decide the split and are not learnt from.
        group_option: the option that names columns whose equal rows stay together.
        time_option: the option that names the column of each row's time.
        deals_rows: rows are dealt one by one, by the options `valid` and `test`.
        tasks: those it can be used for.
    """

    build: Callable[Concatenate[SplitInput, ...], Labels]
    is_stable: bool
    has_salt: bool = False
    key_option: str | None = None
    group_option: str | None = None
    time_option: str | None = None
    deals_rows: bool = False
    tasks: tuple[str, ...] = ANY_TASK

    def key_columns(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns that decide the split and are not learnt from."""
        return _names(self.key_option, options)

    def group_columns(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns whose equal rows stay together."""
        return _names(self.group_option, options)


def _names(option: str | None, options: Mapping[str, Any]) -> tuple[str, ...]:
    named = None if option is None else options.get(option)
    if named is None:
        return ()
    return (named,) if isinstance(named, str) else tuple(named)
