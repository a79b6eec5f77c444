"""A first schema from the data as they are: what was seen, with room for what may come.

It is inferred once and then belongs to the user. Numbers may leave the seen range by ten times its
width; a text column with few, repeated values becomes a category of just these; columns that say
nothing (identifiers, free text, row counters, nothing at all) are kept but not used.
"""

import numpy as np
import pandas as pd

from layerline.config import Task
from layerline.sources.reading.parsing import numeric_fields, plain_fields
from layerline.tables.storage import require_target
from layerline.text import listing
from layerline.validation.schema.definitions import ColumnSpec, Dtype, Level, TableSchema

MAX_LEVELS = 1000
FEW_LEVELS = 20  # never an identifier
ROOM = 10.0  # widths of the seen range, on each side


def infer_schema(
    frame: pd.DataFrame,
    target: str,
    task: Task,
    split_column: str | None = None,
    image_shape: tuple[int, ...] | None = None,
) -> TableSchema:
    """The schema of a table, or of the labels of images.

    Raises:
        DataError: the target is not there.
    """
    require_target(list(map(str, frame.columns)), target, "the table")
    features = [n for n in map(str, frame.columns) if n not in (target, split_column)]
    columns = [_feature(frame[name], name) for name in features]
    columns.append(_target(frame[target], target, task))
    if split_column is not None:
        levels = _levels(frame[split_column])
        dtype = dtype_of(frame[split_column])
        columns.append(ColumnSpec(split_column, "category", dtype, use=False, levels=levels))
    return TableSchema(target, task, tuple(columns), image_shape)


def dtype_of(column: pd.Series) -> Dtype:
    """The pandas name of the column's type, as the schema writes it."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "datetime64[us]"
    if pd.api.types.is_bool_dtype(column) or _is_truth_with_gaps(column):
        return "bool"
    if pd.api.types.is_integer_dtype(column):
        return "int64"
    return "float64" if pd.api.types.is_numeric_dtype(column) else "str"


def _is_truth_with_gaps(column: pd.Series) -> bool:
    if column.dtype != object:
        return False
    values = column.dropna()
    return bool(len(values)) and bool(values.map(lambda value: isinstance(value, bool)).all())


def _levels(column: pd.Series) -> tuple[Level, ...]:
    return tuple(sorted(column.dropna().unique().tolist()))


def _target(column: pd.Series, name: str, task: Task) -> ColumnSpec:
    if task == "regression":
        return _number(column, name, nullable=False, use=True)
    if dtype_of(column) == "float64":  # classes are whole numbers; only a gap made them floats
        return ColumnSpec(
            name, "category", "int64", levels=_levels(column.dropna().astype(np.int64))
        )
    return ColumnSpec(name, "category", dtype_of(column), levels=_levels(column))


def _feature(column: pd.Series, name: str) -> ColumnSpec:
    dtype, nullable = dtype_of(column), bool(column.isna().any())
    if dtype == "datetime64[us]":
        return ColumnSpec(name, "date", dtype, nullable)
    if dtype == "bool":
        return ColumnSpec(name, "category", dtype, nullable, levels=(False, True))
    if dtype != "str":
        use = not (column.isna().all() or _counts_rows(column))
        return _number(column, name, nullable=nullable or not use, use=use)
    n_levels, n_values = column.nunique(), column.notna().sum()
    if n_levels > MAX_LEVELS or (n_levels > FEW_LEVELS and n_levels > n_values / 2):
        return ColumnSpec(name, "text", dtype, nullable=True, use=False)
    return ColumnSpec(name, "category", dtype, nullable, levels=_levels(column))


def _counts_rows(column: pd.Series) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ...: an index that was saved as a column."""
    if not pd.api.types.is_integer_dtype(column) or len(column) < FEW_LEVELS:
        return False
    first = column.iloc[0]
    return first in (0, 1) and bool((column.to_numpy() == np.arange(len(column)) + first).all())


def _number(column: pd.Series, name: str, *, nullable: bool, use: bool) -> ColumnSpec:
    finite = column[np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    dtype = dtype_of(column)
    room = ROOM * (high - low)
    if not room or not np.isfinite(room) or not use:
        return ColumnSpec(name, "number", dtype, nullable, use)
    minimum, maximum = _round(low - room, room), _round(high + room, room)
    return ColumnSpec(name, "number", dtype, nullable, use, minimum, maximum)


def _round(limit: float, room: float) -> float:
    # Six digits are enough for a limit that a person is to read; the room is ten widths. Not so
    # where the room is narrow far from zero: 1,700,000,000 to 1,700,000,050.
    rounded = float(f"{limit:.6g}")
    return rounded if abs(rounded - limit) <= room / 2 else limit


def advice(frame: pd.DataFrame, schema: TableSchema) -> list[str]:
    """What the user should hear about the columns, one sentence each."""
    spoken = []
    for column in schema.columns:
        if column.name == schema.target or column.name not in frame:
            continue
        values = frame[column.name]
        if column.dtype == "str" and (column.use or column.kind == "text"):
            spoken.extend(_mostly_numbers(values, column.name))
        if column.kind == "text":
            spoken.append(
                f"column {column.name!r} is not used: text with {values.nunique()} distinct values "
                f"in {values.notna().sum()} rows is an identifier or free text"
            )
        elif not column.use and column.kind == "number":
            why = "it has no value at all" if values.isna().all() else "it only counts the rows"
            spoken.append(f"column {column.name!r} is not used: {why}")
    return spoken


def _is_padded(word: str) -> bool:
    """Digits that a number would not begin with: '04109', '007'."""
    return len(word) > 1 and word.startswith("0") and word.isdecimal()


def _mostly_numbers(values: pd.Series, name: str) -> list[str]:
    import pyarrow as pa

    plain = plain_fields(pa.chunked_array([pa.array(values.dropna().tolist(), pa.string())]))
    is_number = np.array(numeric_fields(plain).fill_null(False).to_pylist(), dtype=bool)
    if not len(is_number) or is_number.all() or is_number.mean() < 0.5:
        return []
    words = values.dropna()[~is_number].drop_duplicates().tolist()
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
