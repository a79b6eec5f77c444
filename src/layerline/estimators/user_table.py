"""Frames and arrays as users have them -> one table with names, and its target."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.text import first_line, listing

TARGET, WEIGHT = "target", "weight"  # of values that come without a name

Targets = str | Sequence[Any] | NDArray[Any] | pd.Series | pd.DataFrame
Names = str | tuple[str, ...]


def named_rows(rows: pd.DataFrame | NDArray[Any]) -> pd.DataFrame:
    """A frame with names that are text; an array's columns are x0, x1, ...

    Raises:
        DataError: neither a frame nor an array of two dimensions.
    """
    if isinstance(rows, pd.DataFrame):
        names = [str(name) for name in rows.columns]
        return rows if names == list(rows.columns) else rows.set_axis(names, axis=1)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2:
        found = f"an array {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise DataError(f"rows must be a pandas DataFrame or an array (rows, columns), got {found}")
    return pd.DataFrame(rows, columns=[f"x{place}" for place in range(rows.shape[1])])


def with_target(rows: pd.DataFrame | NDArray[Any], target: Targets) -> tuple[pd.DataFrame, Names]:
    """The rows with their target as one column, and its name; of several the names.

    Args:
        rows: a frame or an array.
        target: the name of a column, or one value for each row; several columns by a list of their
            names, or by a frame with a row for each.

    Raises:
        DataError: the target has another length than the rows, or its name is a feature's.
    """
    table = named_rows(rows)
    if isinstance(target, str):
        return table, target
    if isinstance(target, pd.DataFrame):
        return _with_targets(table, named_rows(target))
    if isinstance(target, list | tuple) and _are_names(target, table):
        return table, tuple(target) if len(target) > 1 else str(target[0])
    given = target if isinstance(target, pd.Series) else pd.Series(np.asarray(target))
    name = TARGET if given.name is None else str(given.name)
    values = given.reset_index(drop=True)
    if len(values) != len(table):
        raise DataError(f"there are {len(table):,} rows, but {len(values):,} targets")
    if name in table:
        raise DataError(f"the target and a column are both named {name!r}; rename one of them")
    return table.reset_index(drop=True).assign(**{name: values}), name


def _are_names(target: Sequence[Any], table: pd.DataFrame) -> bool:
    """Whether a list names columns; as many texts as rows may be their classes."""
    are_texts = len(target) > 0 and all(isinstance(name, str) for name in target)
    return are_texts and (len(target) != len(table) or all(name in table for name in target))


def _with_targets(table: pd.DataFrame, given: pd.DataFrame) -> tuple[pd.DataFrame, Names]:
    names = tuple(given.columns)
    if len(given) != len(table):
        raise DataError(f"there are {len(table):,} rows, but {len(given):,} targets")
    if taken := [name for name in names if name in table]:
        raise DataError(f"a target and a column are both named {taken[0]!r}; rename one of them")
    rows = pd.concat([table.reset_index(drop=True), given.reset_index(drop=True)], axis=1)
    return rows, names if len(names) > 1 else names[0]


def with_weights(table: pd.DataFrame, weights: Targets | None) -> tuple[pd.DataFrame, str | None]:
    """The rows with their weights as one column, and its name; None without weights.

    Args:
        table: the rows and their target.
        weights: the name of a column, or one number for each row.

    Raises:
        DataError: no column has that name, or there is another number of weights than of rows.
    """
    if isinstance(weights, str) and weights not in table:
        columns = listing(list(map(repr, table.columns)))
        raise DataError(f"weights: the frame has no column {weights!r}; it has {columns}")
    if weights is None or isinstance(weights, str):
        return table, weights
    values = np.asarray(weights)
    if values.shape != (len(table),):
        raise DataError(f"there are {len(table):,} rows, but weights of shape {values.shape}")
    name = free_name(table, WEIGHT)
    return table.assign(**{name: values}), name


def named_columns(
    data: pd.DataFrame | NDArray[Any] | str | Path, target: Targets, weights: Targets | None
) -> tuple[pd.DataFrame | Path, Names, str | None]:
    """The rows, or their file, with the names of their target's and their weights' columns.

    Raises:
        DataError: as `with_target` and `with_weights`, or values are given beside a file.
    """
    if not isinstance(data, str | Path):
        table, name = with_target(data, target)
        table, weighing = with_weights(table, weights)
        return table, name, weighing
    if isinstance(target, list | tuple) and all(isinstance(name, str) for name in target):
        names: Names = tuple(target) if len(target) > 1 else str(*target)
    else:
        names = str(_name_in_file("target", target))
    return Path(data), names, _name_in_file("weights", weights)


def _name_in_file(argument: str, given: Targets | None) -> str | None:
    if not isinstance(given, str | None):
        raise DataError(f"{argument}: the rows are a file, so name one of its columns")
    return given


def free_name(table: pd.DataFrame, name: str) -> str:
    """The name, or one like it that no column has.

    >>> free_name(pd.DataFrame({"weight": [1], "weight_": [2]}), "weight")
    'weight__'
    """
    while name in table:
        name += "_"
    return name


def to_arrow(table: pd.DataFrame) -> pa.Table:
    """The table in Arrow's types.

    Raises:
        DataError: a name is there twice, or values of a column have no common type.
    """
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise DataError(
            f"the frame has {listing(list(map(repr, twice)))} more than once; rename one of them"
        )
    try:
        return pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"a column of the frame holds values without a common type ({first_line(error)}); "
            "make it numbers, text, dates or true/false"
        ) from None
