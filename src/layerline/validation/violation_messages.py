"""Messages on broken rules, one for each rule and column: what, where, and what to do.

To add a rule that rows break: its wording here, and a line in RULES.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.columns.kinds import kind_of
from layerline.columns.spec import ColumnSpec
from layerline.text import exact, listing
from layerline.validation.row_rules import DECIMALS
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violations import SHOWN, Broken, Tally


class Wording(NamedTuple):
    """`column 'x' has 3 WHAT (DETAIL); REMEDY`; one row in quarantine: `x: REASON`."""

    one: str  # of one row: "missing value"
    many: str
    remedy: str
    reason: str
    shows_values: bool = True


def rows_text(rows: Sequence[int] | NDArray[np.int64], n_rows: int | None = None) -> str:
    """`row 17` or `rows 17, 80, 912`, counted from 1."""
    n_rows = len(rows) if n_rows is None else n_rows
    shown = listing([int(row) + 1 for row in rows[:SHOWN]])
    more = f" and {n_rows - SHOWN} more" if n_rows > SHOWN else ""
    return f"row{'s' if n_rows > 1 else ''} {shown}{more}"


def quoted(values: Sequence[Any]) -> str:
    """Up to three values, text in quotes."""
    shown = [
        repr(v) if isinstance(v, str) else exact(v) if isinstance(v, float) else str(v)
        for v in values
    ]
    return listing(shown, 3)


def describe(tally: Tally, schema: TableSchema, schema_file: str) -> Broken:
    """A tally as a message to the user."""
    if tally.rule == "type":
        return _type(tally, schema)
    words = _WORDINGS[tally.rule](tally, schema, schema_file)
    where = rows_text(tally.first, tally.n_rows)
    values = listing(tally.values) if tally.rule == "check" else quoted(tally.values)
    detail = f"{values}; {where}" if words.shows_values and tally.values else where
    counted = f"{tally.n_rows} {words.one if tally.n_rows == 1 else words.many}"
    message = f"{_subject(tally, schema)} {counted} ({detail}); {words.remedy}"
    reason = words.reason if tally.column is None else f"{tally.column}: {words.reason}"
    return _broken(tally, message, reason)


def _subject(tally: Tally, schema: TableSchema) -> str:
    if tally.column is None:
        return "the table has"
    called = "target" if tally.column in schema.targets else "column"
    return f"{called} {tally.column!r} has"


def _broken(tally: Tally, message: str, reason: str) -> Broken:
    return Broken(
        tally.rule,
        message,
        tally.column,
        tally.severity,
        tally.n_rows,
        tuple(tally.first),
        tally.rows,
        tuple(tally.values),
        reason,
    )


def _type(tally: Tally, schema: TableSchema) -> Broken:
    """Values of another type than the schema's."""
    assert tally.column is not None
    spec = schema[tally.column]
    meant = kind_of(spec).noun(spec)
    remedy = "fix them, or list the words for a missing value in fetch.options.missing"
    if spec.dtype == "str":
        remedy = "list the column in fetch.options.text, or fix the source"
    elif spec.dtype == "int64" and tally.detail == DECIMALS:
        remedy = "if decimals are meant, write dtype: float64 in the schema"
    many = "s" if tally.n_rows > 1 else ""
    message = (
        f"column {spec.name!r} must hold {meant}, but has {tally.n_rows} other value{many} "
        f"({quoted(tally.values)}; {rows_text(tally.first, tally.n_rows)}); {remedy}"
    )
    return _broken(tally, message, f"{spec.name}: not {meant}")


def _missing(tally: Tally, schema: TableSchema, file: str) -> Wording:
    remedy = f"fill them, or write nullable: true for columns.{tally.column} in {file}"
    if tally.column in schema.targets:
        remedy = "every row needs its target: drop these rows at the source"
    return Wording("missing value", "missing values", remedy, "missing value", shows_values=False)


def _finite(tally: Tally, schema: TableSchema, file: str) -> Wording:
    remedy = "drop them at the source"
    return Wording("non-finite value", "non-finite values", remedy, "non-finite value", False)


def _limits(tally: Tally, schema: TableSchema, file: str) -> Wording:
    limits = _span(schema[str(tally.column)])
    remedy = f"fix them, or widen columns.{tally.column} in {file}"
    return Wording(
        f"value outside {limits}", f"values outside {limits}", remedy, f"value outside {limits}"
    )


def _span(spec: ColumnSpec) -> str:
    low, high = ("any" if v is None else exact(v) for v in (spec.minimum, spec.maximum))
    return f"{low} to {high}"


def _levels(tally: Tally, schema: TableSchema, file: str) -> Wording:
    remedy = f"fix them, or add to columns.{tally.column}.levels in {file}"
    reason = "value outside its levels"
    return Wording(reason, "values outside its levels", remedy, reason)


def _pattern(tally: Tally, schema: TableSchema, file: str) -> Wording:
    pattern = schema[str(tally.column)].pattern
    what = f"that do not match {pattern!r}"
    remedy = f"fix them, or change columns.{tally.column}.pattern in {file}"
    return Wording(
        f"value {what.replace('do', 'does')}",
        f"values {what}",
        remedy,
        f"does not match {pattern!r}",
    )


def _unique(tally: Tally, schema: TableSchema, file: str) -> Wording:
    if tally.column is None:
        what = f"another row of the same {tally.detail}"
        remedy = f"drop them at the source, or change unique in {file}"
        return Wording(
            f"row that repeats {what}",
            f"rows that repeat {what}",
            remedy,
            f"repeats {tally.detail}",
        )
    remedy = f"drop them at the source, or take unique: true from columns.{tally.column} in {file}"
    return Wording("value that came before", "values that came before", remedy, "came before")


def _duplicate_rows(tally: Tally, schema: TableSchema, file: str) -> Wording:
    what = "an earlier one in all that is learnt"
    remedy = (
        "copies of one record belong dropped at the source; repeated observations are right as "
        f"they are: write duplicate_rows: off under rules in {file}"
    )
    return Wording(
        f"row equal to {what}", f"rows equal to {what}", remedy, "equal to an earlier row"
    )


def _check(tally: Tally, schema: TableSchema, file: str) -> Wording:
    what = f"that {'breaks' if tally.n_rows == 1 else 'break'} `{tally.detail}`"
    remedy = f"fix them, or change checks in {file}"
    return Wording(f"row {what}", f"rows {what}", remedy, f"breaks `{tally.detail}`")


def _blank(tally: Tally, schema: TableSchema, file: str) -> Wording:
    remedy = f"drop them at the source, or write blank_images: off under rules in {file}"
    return Wording("image of one colour", "images of one colour", remedy, "image of one colour")


_WORDINGS: Mapping[str, Callable[[Tally, TableSchema, str], Wording]] = {
    "missing": _missing,
    "finite": _finite,
    "limits": _limits,
    "levels": _levels,
    "pattern": _pattern,
    "unique": _unique,
    "duplicate_rows": _duplicate_rows,
    "check": _check,
    "blank_images": _blank,
}
