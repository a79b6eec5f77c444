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
from layerline.columns.cast import dtype_of
from layerline.columns.category import levels_of
from layerline.columns.kinds import infer
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import Written
from layerline.config import Task
from layerline.tables.storage import require_target
from layerline.tables.task import SINGLE
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.raw_columns import Columns

PLAIN_COLUMNS: Mapping[str, Written] = {}


def infer_schema(
    frame: Columns,
    target: str | tuple[str, ...],
    task: Task,
    split_column: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    written: Mapping[str, Written] = PLAIN_COLUMNS,
) -> TableSchema:
    """The schema of a table, or of the labels of images.

    Args:
        frame: the data.
        target: the column to predict, or several.
        task: what it asks for.
        split_column: the column with the split of each row.
        image_shape: of images.
        written: columns whose text was not written the plain way.

    Raises:
        DataError: the target is missing.
    """
    targets = (target,) if isinstance(target, str) else target
    require_target(list(map(str, frame.columns)), targets, "the table")
    features = [n for n in map(str, frame.columns) if n not in (*targets, split_column)]
    columns = [infer(frame[name], name) for name in features]
    columns += [_target(frame[name], name, task) for name in targets]
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
    several = targets if len(targets) > 1 else ()
    return TableSchema(", ".join(targets), task, tuple(columns), image_shape, several=several)


def _target(column: pd.Series, name: str, task: Task) -> ColumnSpec:
    if SINGLE.get(task, task) == "regression":
        return number.limited(column, name, nullable=False, use=True)
    if dtype_of(column) == "float64":  # classes are whole numbers; only a gap made them floats
        column = column.dropna().astype(np.int64)
    return ColumnSpec(name, "category", dtype_of(column), levels=levels_of(column))
