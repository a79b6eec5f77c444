"""Broken rules: what broke, where, and what to do, in one line for each.

To add a rule about values: add a pandera check in enforcing.py and its words to `value_rule`. To
add one about the table: a function here that returns a list of Broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.data.schema.columns import ColumnSpec, TableSchema
from layerline.data.tables import closest, listing
from layerline.data.validation.enforcing import FINITE, LEVELS, LIMITS

SHOWN = 10  # rows that a message names


def _no_rows() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Broken:
    """One rule that one column, or the table, breaks."""

    rule: str
    message: str
    column: str | None = None
    rows: NDArray[np.int64] = field(default_factory=_no_rows)  # positions, from 0
    values: tuple[Any, ...] = ()  # a few of the values that broke it
    reason: str = ""  # for one row in quarantine

    def to_dict(self) -> dict[str, Any]:
        """As reports/validation.json holds it; rows are counted from 1."""
        return {
            "rule": self.rule,
            "column": self.column,
            "n_rows": len(self.rows),
            "rows": [int(row) + 1 for row in self.rows[:SHOWN]],
            "values": [_plain(value) for value in self.values],
            "message": self.message,
        }


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, (bool, int, str)):
        return value
    return value if isinstance(value, float) and np.isfinite(value) else str(value)


def rows_text(rows: NDArray[np.int64]) -> str:
    """`row 17` or `rows 17, 80, 912`, counted from 1."""
    return f"row{'s' if len(rows) > 1 else ''} {listing([int(row) + 1 for row in rows], SHOWN)}"


def _samples(column: pd.Series, rows: NDArray[np.int64]) -> tuple[Any, ...]:
    values = column.iloc[rows].dropna().drop_duplicates()
    return tuple(values.iloc[:5].tolist())


def _quoted(values: Sequence[Any]) -> str:
    shown = [
        repr(v) if isinstance(v, str) else f"{v:g}" if isinstance(v, float) else str(v)
        for v in values
    ]
    return listing(shown, 3)


def type_rule(column: pd.Series, spec: ColumnSpec, bad: NDArray[np.bool_]) -> Broken:
    """Values of another type than the schema's."""
    rows = np.flatnonzero(bad)
    meant = {
        "int64": "whole numbers",
        "float64": "numbers",
        "bool": "true or false",
        "str": "text",
        "datetime64[us]": "dates",
    }[spec.dtype]
    samples = _samples(column, rows)
    remedy = "mend them, or list what stands for a missing value in fetch.options.missing"
    if spec.dtype == "str":
        remedy = "list the column in fetch.options.text, or mend the source"
    elif spec.dtype == "int64" and pd.api.types.is_float_dtype(column):
        remedy = "if decimals are meant, write dtype: float64 in the schema"
    message = (
        f"column {spec.name!r} must hold {meant}, but has {_count(rows, 'other value')} "
        f"({_quoted(samples)}; {rows_text(rows)}); {remedy}"
    )
    return Broken("type", message, spec.name, rows, samples, f"{spec.name}: not {meant}")


def _count(rows: NDArray[np.int64], what: str) -> str:
    return f"{len(rows)} {what}{'s' if len(rows) > 1 else ''}"


def value_rule(
    column: pd.Series,
    schema: TableSchema,
    spec: ColumnSpec,
    check: str,
    rows: NDArray[np.int64],
    schema_file: str,
) -> Broken:
    """What pandera found in one column by one of its checks."""
    name, samples, where = spec.name, _samples(column, rows), rows_text(rows)
    called = f"target {name!r}" if name == schema.target else f"column {name!r}"
    if check == FINITE:
        what, detail, remedy = "non-finite value", where, "drop them at the source"
    elif check == LIMITS:
        limits = f"{_limit(spec.minimum)} to {_limit(spec.maximum)}"
        what, detail = f"value outside {limits}", f"{_quoted(samples)}; {where}"
        remedy = f"mend them, or widen columns.{name} in {schema_file}"
    elif check == LEVELS:
        what, detail = "value outside its levels", f"{_quoted(samples)}; {where}"
        remedy = f"mend them, or add to columns.{name}.levels in {schema_file}"
    else:
        check, what, detail = "missing", "missing value", where
        remedy = f"fill them, or write nullable: true for columns.{name} in {schema_file}"
        if name == schema.target:
            remedy = "every row needs its target: drop these rows at the source"
    counted = (
        _count(rows, what)
        if not what.startswith("value ")
        else (f"{len(rows)} value{'s' if len(rows) > 1 else ''}{what.removeprefix('value')}")
    )
    message = f"{called} has {counted} ({detail}); {remedy}"
    return Broken(check, message, name, rows, samples, f"{name}: {what}")


def _limit(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def column_rules(frame: pd.DataFrame, schema: TableSchema, schema_file: str) -> list[Broken]:
    """Columns that vanished or were added; a likely new name is told."""
    found = list(map(str, frame.columns))
    absent = [name for name in schema.names if name not in found]
    extra = [name for name in found if name not in schema.names]
    broken = []
    for name in absent:
        near = closest(name, extra)
        hint = f"was it renamed to {near!r}?" if near else f"the table has {listing(found)}"
        message = f"column {name!r} is missing; {hint} Bring it back, or change {schema_file}"
        broken.append(Broken("column_missing", message, name))
    for name in extra:
        near = closest(name, absent)
        hint = f"is it {near!r}, renamed? " if near else ""
        message = (
            f"column {name!r} is not in {schema_file}; {hint}drop it at the source, "
            "or add it there (with use: false it is not learnt from)"
        )
        broken.append(Broken("column_unexpected", message, name))
    return broken


def class_rules(target: pd.Series, schema: TableSchema, minimum: int) -> list[Broken]:
    """Classes with too few rows, also those that vanished."""
    counts = target.value_counts()
    broken = []
    for level in schema.classes or ():
        n_rows = int(counts.get(level, 0))
        if n_rows < minimum:
            message = (
                f"class {level!r} of target {schema.target!r} has {n_rows} row"
                f"{'' if n_rows == 1 else 's'}, fewer than validate.min_class_rows ({minimum}); "
                "add rows, merge it with another class, or drop it from data and schema"
            )
            broken.append(Broken("class_rows", message, schema.target, values=(level,)))
    return broken


def image_rules(
    images: NDArray[np.uint8] | None, n_labels: int, schema: TableSchema
) -> list[Broken]:
    """Images of another shape or type than the schema's, or not one for each label."""
    if schema.image_shape is None and images is None:
        return []
    if schema.image_shape is None or images is None:
        found, meant = ("a table", "images") if images is None else ("images", "a table")
        return [Broken("kind", f"the data are {found}, but the schema describes {meant}")]
    broken = []
    if images.shape[1:] != schema.image_shape or images.dtype != np.uint8:
        message = (
            f"images are {images.shape[1:]} {images.dtype}, but must be {schema.image_shape} uint8"
        )
        broken.append(Broken("image_shape", message))
    if len(images) != n_labels:
        message = f"there are {len(images)} images but {n_labels} labels"
        broken.append(Broken("image_labels", message))
    return broken
