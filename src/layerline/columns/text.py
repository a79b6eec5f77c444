"""Free text, which no network here reads; it is kept, and a pattern may be asked of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from layerline.columns.arrays import Read, gaps_of, none_bad, refuse_all
from layerline.columns.category import matches, number_text
from layerline.columns.spec import ColumnSpec


def from_text(fields: pa.ChunkedArray, spec: ColumnSpec) -> Read:
    """Text as it is."""
    return Read(fields, none_bad(len(fields)))


def from_numbers(column: pd.Series, spec: ColumnSpec) -> Read:
    """Numbers as their digits: some files hold nothing else in a column of text."""
    gaps = gaps_of(column)
    texts = [None if gap else number_text(v) for v, gap in zip(column, gaps, strict=True)]
    return Read(np.array(texts, dtype=object), none_bad(len(texts)))


def from_truths(column: pd.Series, spec: ColumnSpec) -> Read:
    """True and false are not text."""
    return refuse_all(column, None)


def from_dates(column: pd.Series, spec: ColumnSpec) -> Read:
    """Dates are not text."""
    return refuse_all(column, None)


def checks(spec: ColumnSpec) -> Mapping[str, Any]:
    """Rule -> which of (B,) values keep it."""
    pattern = spec.pattern
    return {} if pattern is None else {"pattern": lambda column: matches(column, pattern)}


def noun(spec: ColumnSpec) -> str:
    """What the values must be, in a message."""
    return "text"


def fault(spec: ColumnSpec, rule: str, value: Any) -> str:
    """What is wrong with one value: `must be ...`."""
    return f"must match {spec.pattern!r}" if rule == "pattern" else "must be text"


def json_type(spec: ColumnSpec, any_value: bool) -> dict[str, Any]:
    """The JSON schema of one value."""
    return {"type": "string"}


def example(spec: ColumnSpec) -> str:
    """A value that is right."""
    return ""


def infer(column: pd.Series, name: str) -> ColumnSpec | None:
    """The column's first spec: kept, and not used."""
    return ColumnSpec(name, "text", "str", nullable=True, use=False)
