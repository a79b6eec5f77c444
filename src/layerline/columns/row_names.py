"""Whole numbers that only number or name the rows: an index, an order number."""

import re

import numpy as np
import pandas as pd

from layerline.columns.arrays import gaps_of

FEW_ROWS = 20  # fewer do not show a counter
LEAST_NAMED = 50  # rows: so many different whole numbers are no chance
NAMED_ID = re.compile(
    r"(?:^|[_\W])(?i:id|uuid|guid|key|nr|no|number|index)$|[a-z](?:Id|ID|Nr|No|Number|Key)$|(?i:nummer)$"
)


def counts_rows(column: pd.Series) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ...: an index that was saved as a column."""
    if not pd.api.types.is_integer_dtype(column) or len(column) < FEW_ROWS or gaps_of(column).any():
        return False
    first = column.iloc[0]
    return first in (0, 1) and bool((column.to_numpy() == np.arange(len(column)) + first).all())


def names_rows(column: pd.Series, name: str) -> bool:
    """An identifier by its name, with another whole number in every row: an order number."""
    return bool(NAMED_ID.search(name)) and not gaps_of(column).any() and numbers_rows(column, name)


def numbers_rows(column: pd.Series, name: str, n_rows: int = 0) -> bool:
    """Another whole number in every row, dense, rising from row to row, or named an identifier.

    Args:
        column: all rows, or a sample of them.
        name: of the column.
        n_rows: of the table, where the column is a sample.
    """
    present = column.dropna()
    if not pd.api.types.is_integer_dtype(present) or len(present) < LEAST_NAMED:
        return False
    if not present.is_unique:
        return False
    numbers = present.to_numpy(dtype=np.float64)
    dense = numbers.max() - numbers.min() + 1 <= 2 * max(n_rows, len(numbers))
    return dense or bool((np.diff(numbers) > 0).all() or NAMED_ID.search(name))
