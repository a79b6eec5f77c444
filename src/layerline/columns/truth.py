"""Truth values: true or false, whatever words a file has for them; 1 and 0 count as well."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns.arrays import Read, gaps_of, mask, refuse_all
from layerline.columns.category import is_level
from layerline.columns.missing import plain_fields
from layerline.columns.spec import ColumnSpec
from layerline.columns.truth_words import FALSE_WORDS, TRUE_WORDS

_TRUE, _FALSE = pa.array(TRUE_WORDS), pa.array(FALSE_WORDS)
_PLAIN = pa.array(["true", "false"])


def from_text(fields: pa.ChunkedArray, spec: ColumnSpec) -> Read:
    """Text -> True, False or None."""
    lower = pc.utf8_lower(plain_fields(fields))
    is_true = mask(pc.is_in(lower, value_set=_TRUE))
    is_false = mask(pc.is_in(lower, value_set=_FALSE))
    return _truths(is_true, is_false, mask(pc.is_null(lower)))


def from_numbers(column: pd.Series, spec: ColumnSpec) -> Read:
    """1 is true and 0 is false; no other number is a truth value."""
    gaps = gaps_of(column)
    return _truths((column == 1).to_numpy(bool) & ~gaps, (column == 0).to_numpy(bool) & ~gaps, gaps)


def from_truths(column: pd.Series, spec: ColumnSpec) -> Read:
    """Truth values as they are."""
    gaps = gaps_of(column)
    filled = column.astype(object).where(~gaps, False).to_numpy(dtype=np.bool_)
    return _truths(filled & ~gaps, ~filled & ~gaps, gaps)


def from_dates(column: pd.Series, spec: ColumnSpec) -> Read:
    """Dates are not truth values."""
    return refuse_all(column, None)


def _truths(is_true: Any, is_false: Any, gaps: Any) -> Read:
    bad = ~is_true & ~is_false & ~gaps
    if (is_true | is_false).all():
        return Read(is_true, bad)
    values = np.where(is_true, True, False).astype(object)
    values[~is_true & ~is_false] = None
    return Read(values, bad)


def truth_fields(plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where a plain field is `true` or `false`; null where it is missing."""
    found = pc.is_in(pc.utf8_lower(plain), value_set=_PLAIN)
    return pc.if_else(pc.is_null(plain), pa.scalar(None, pa.bool_()), found)


def checks(spec: ColumnSpec) -> Mapping[str, Any]:
    """Rule -> which of (B,) values keep it."""
    return {"levels": lambda column: is_level(column, spec)}


def noun(spec: ColumnSpec) -> str:
    """What the values must be, in a message."""
    return "true or false"


def fault(spec: ColumnSpec, rule: str, value: Any) -> str:
    """What is wrong with one value: `must be ...`."""
    return "must be true or false"


def json_type(spec: ColumnSpec, any_value: bool) -> dict[str, Any]:
    """The JSON schema of one value."""
    levels = [level for level in spec.levels or () if level is not None]
    return {"type": "boolean", **({"enum": levels} if levels and not any_value else {})}


def example(spec: ColumnSpec) -> bool:
    """A value that is right."""
    return bool(next(iter(spec.levels or ()), True))


def infer(column: pd.Series, name: str) -> ColumnSpec | None:
    """The column's first spec; None when it holds no truth values."""
    if not (pd.api.types.is_bool_dtype(column) or is_truth_with_gaps(column)):
        return None
    nullable = bool(column.isna().any())
    return ColumnSpec(name, "category", "bool", nullable, levels=(False, True))


def is_truth_with_gaps(column: pd.Series) -> bool:
    """Whether objects are True, False and None, as pandas keeps truth values with gaps."""
    if column.dtype != object:
        return False
    values = column.dropna()
    return bool(len(values)) and bool(values.map(lambda value: isinstance(value, bool)).all())
