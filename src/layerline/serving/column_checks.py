"""What is wrong with rows of a request: each fault with its row and its field."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from layerline.columns.cast import Cast, cast_column
from layerline.columns.judge import breaches, fault_with_value
from layerline.columns.kinds import kind_of
from layerline.columns.spec import ColumnSpec
from layerline.model.inputs import without_words

SHOWN_FAULTS = 20


class Fault(NamedTuple):
    """What is wrong with a request; `row` counts from 1, both are None for the body itself."""

    message: str
    row: int | None = None
    field: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the answer holds it."""
        return {"row": self.row, "field": self.field, "message": self.message}


def examples_of(columns: Sequence[ColumnSpec]) -> dict[str, Any]:
    """A row that is right."""
    return {spec.name: kind_of(spec).example(spec) for spec in columns}


def json_types_of(columns: Sequence[ColumnSpec], any_value: bool) -> dict[str, dict[str, Any]]:
    """Column -> the JSON schema of its values; null is one where gaps are allowed."""
    found = {}
    for spec in columns:
        kind = kind_of(spec).json_type(spec, any_value or bool(spec.lenient))
        found[spec.name] = {"anyOf": [kind, {"type": "null"}]} if spec.nullable else kind
    return found


def shape_faults(rows: Sequence[Any], columns: Sequence[ColumnSpec]) -> list[Fault]:
    """Rows that are not objects, or lack a field; other fields than the model's are ignored."""
    faults: list[Fault] = []
    for number, row in enumerate(rows, start=1):
        if len(faults) >= SHOWN_FAULTS:
            break
        if not isinstance(row, dict):
            faults.append(Fault("a row must be an object, column name -> value", number))
            continue
        for spec in columns:
            if spec.name not in row:
                hint = "; send null for a missing value" if spec.nullable else ""
                faults.append(Fault(f"is missing{hint}", number, spec.name))
    return faults[:SHOWN_FAULTS]


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[ColumnSpec]) -> pd.DataFrame:
    """JSON rows as objects, no type guessed."""
    return pd.DataFrame(
        {spec.name: pd.Series([row[spec.name] for row in rows], dtype=object) for spec in columns}
    )


def judge_frame(
    frame: pd.DataFrame,
    columns: Sequence[ColumnSpec],
    rules: frozenset[str] | None,
    missing: Sequence[str] = (),
) -> tuple[dict[str, Cast], list[Fault]]:
    """Read every column and find what breaks its rules, the first rows first.

    Args:
        frame: rows that have all the columns.
        columns: what the model reads.
        rules: which rules count; None means all.
        missing: further words for a missing value.
    """
    casts, faults = {}, []
    for spec in columns:
        raw = without_words(frame[spec.name], missing)
        cast = casts[spec.name] = cast_column(raw, spec)
        for rule, wrong in breaches(cast, spec, rules=rules):
            for row in np.flatnonzero(wrong)[:SHOWN_FAULTS].tolist():
                words = fault_with_value(spec, rule, raw.iloc[row], cast.values.iloc[row])
                faults.append(Fault(words, row + 1, spec.name))
    faults.sort(key=lambda fault: fault.row or 0)
    return casts, faults[:SHOWN_FAULTS]
