"""A first schema from the data as they are: what was seen, with room for what may come.

It is inferred once and then belongs to the user. Numbers may leave the seen range by ten times its
width; a text column with few, repeated values becomes a category of just these; columns without
information (identifiers, free text, row counters, nothing at all) are kept but not used.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from layerline.columns import number
from layerline.columns.arrays import as_text, mask
from layerline.columns.cast import dtype_of
from layerline.columns.category import levels_of
from layerline.columns.kinds import infer
from layerline.columns.missing import plain_fields
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import Written
from layerline.config import Task
from layerline.tables.storage import require_target
from layerline.text import listing
from layerline.validation.schema.definitions import TableSchema

PLAIN_COLUMNS: Mapping[str, Written] = {}


def infer_schema(
    frame: pd.DataFrame,
    target: str,
    task: Task,
    split_column: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    written: Mapping[str, Written] = PLAIN_COLUMNS,
) -> TableSchema:
    """The schema of a table, or of the labels of images.

    Args:
        frame: the data.
        target: the column to predict.
        task: what it asks for.
        split_column: the column with the split of each row.
        image_shape: of images.
        written: columns whose text was not written the plain way.

    Raises:
        DataError: the target is missing.
    """
    require_target(list(map(str, frame.columns)), target, "the table")
    features = [n for n in map(str, frame.columns) if n not in (target, split_column)]
    columns = [infer(frame[name], name) for name in features]
    columns.append(_target(frame[target], target, task))
    if split_column is not None:
        levels = levels_of(frame[split_column])
        dtype = dtype_of(frame[split_column])
        columns.append(ColumnSpec(split_column, "category", dtype, use=False, levels=levels))
    columns = [
        replace(column, written=written[column.name])
        if column.name in written and column.kind in ("number", "date")
        else column
        for column in columns
    ]
    return TableSchema(target, task, tuple(columns), image_shape)


def _target(column: pd.Series, name: str, task: Task) -> ColumnSpec:
    if task == "regression":
        return number.limited(column, name, nullable=False, use=True)
    if dtype_of(column) == "float64":  # classes are whole numbers; only a gap made them floats
        column = column.dropna().astype(np.int64)
    return ColumnSpec(name, "category", dtype_of(column), levels=levels_of(column))


def advice(frame: pd.DataFrame, schema: TableSchema) -> list[str]:
    """What the user should know about the columns, one sentence each."""
    sentences = []
    for column in schema.columns:
        if column.name == schema.target or column.name not in frame:
            continue
        values = frame[column.name]
        if column.dtype == "str" and (column.use or column.kind == "text"):
            sentences.extend(_mostly_numbers(values, column.name))
        if column.kind == "text":
            sentences.append(
                f"column {column.name!r} is not used: text with {values.nunique()} distinct values "
                f"in {values.notna().sum()} rows is an identifier or free text"
            )
        elif not column.use and column.kind == "number":
            why = "it has no value at all" if values.isna().all() else "it only numbers the rows"
            sentences.append(f"column {column.name!r} is not used: {why}")
    return sentences


def _is_padded(word: str) -> bool:
    """Digits that a number would not begin with: '04109', '007'."""
    return len(word) > 1 and word.startswith("0") and word.isdecimal()


def _mostly_numbers(values: pd.Series, name: str) -> list[str]:
    present = values.dropna()
    is_number = mask(number.numeric_fields(plain_fields(as_text(present))))
    if not len(is_number) or is_number.all() or is_number.mean() < 0.5:
        return []
    words = present[~is_number].drop_duplicates().tolist()
    if (padded := next(filter(_is_padded, words), None)) is not None:
        return [
            f"column {name!r} is text because of leading zeros ({padded!r}): codes such as "
            "postcodes and article numbers are categories, not quantities"
        ]
    return [
        f"column {name!r} is text, though {is_number.mean():.0%} of its values are numbers; if "
        f"{listing([repr(word) for word in words], 3)} mean a missing value, list them in "
        "fetch.options.missing"
    ]
