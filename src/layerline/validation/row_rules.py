"""The rules that single rows break, on one batch of rows.

Columns that are clean at a glance (their smallest and largest value, their gaps, their set of
levels) are not handed to pandera: it costs half a millisecond a column and batch, and its import
half a second.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.cast import Cast, cast_column
from layerline.columns.spec import ColumnSpec
from layerline.lookup import is_import_path
from layerline.tables.threads import side_by_side
from layerline.validation.cross_column import broken_rows
from layerline.validation.own_rule import OwnRule, find_rule
from layerline.validation.pandera_schema import to_pandera
from layerline.validation.schema.contradictions import expression_kinds
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.expressions import Expression, parse
from layerline.validation.schema.severities import Severity
from layerline.validation.violations import Hit, samples

DECIMALS = "decimals"
SHOWN_COLUMNS = 4  # of the first row that breaks a rule of the user's own
Check = tuple[Expression | OwnRule, Severity]


def cast_columns(frame: pd.DataFrame, schema: TableSchema) -> dict[str, Cast]:
    """The schema's columns that are there, in their types."""
    found = set(frame.columns)
    return {c.name: cast_column(frame[c.name], c) for c in schema.columns if c.name in found}


def parse_checks(schema: TableSchema, file: str = "the schema") -> list[Check]:
    """The cross-column rules, and those of the user's own, that are not off."""
    kinds = expression_kinds({column.name: column.dtype for column in schema.columns})
    default = schema.setting("check").severity
    found: list[Check] = []
    for index, check in enumerate(schema.checks):
        if "off" in (check.severity, default):
            continue
        severity = check.severity if default == "error" else default
        if is_import_path(check.text):
            rule = find_rule(check.text, tuple(schema.names), f"checks.{index}", file)
            found.append((rule, severity))
        else:
            found.append((parse(check.text, kinds), severity))
    return found


def row_hits(
    frame: pd.DataFrame,
    casts: Mapping[str, Cast],
    schema: TableSchema,
    checks: Sequence[Check],
) -> list[Hit]:
    """Every rule that rows of this batch break, in the schema's order of columns."""
    hits = [_type_hit(frame[name], cast) for name, cast in casts.items() if cast.bad.any()]
    hits += _value_hits(frame, casts, schema)
    order = {name: position for position, name in enumerate(schema.names)}
    hits.sort(key=lambda hit: order[hit.column or ""])
    return hits + _cross_hits(casts, checks)


def _type_hit(column: pd.Series, cast: Cast) -> Hit:
    rows = np.flatnonzero(cast.bad)
    detail = DECIMALS if pd.api.types.is_float_dtype(column) else ""
    return Hit("type", str(column.name), rows, samples(column, rows), detail)


def _value_hits(frame: pd.DataFrame, casts: Mapping[str, Cast], schema: TableSchema) -> list[Hit]:
    """What pandera finds in the columns that are not clean at a glance."""
    present = [spec for spec in schema.columns if spec.name in casts]
    clean = side_by_side(lambda spec: is_clean(casts[spec.name], spec), present)
    suspects = [spec for spec, is_it in zip(present, clean, strict=True) if not is_it]
    if not suspects:
        return []
    import pandera.pandas as pandera

    cast = pd.DataFrame({spec.name: casts[spec.name].values for spec in suspects})
    try:
        to_pandera(suspects).validate(cast, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        return [
            hit
            for (name, check), group in cases.groupby(["column", "check"], sort=False)
            if (hit := _hit(frame[name], casts[name], schema, str(check), group["index"]))
        ]
    return []


def _hit(
    column: pd.Series, cast: Cast, schema: TableSchema, check: str, index: pd.Series
) -> Hit | None:
    name, rule = str(column.name), "missing" if check == "not_nullable" else check
    rows = np.unique(index.to_numpy(dtype=np.int64))
    rows = rows[~cast.bad[rows]]  # a wrong type became a gap: reported already
    severity = schema.severity(rule, name)
    if not len(rows) or severity == "off":
        return None
    return Hit(rule, name, rows, samples(column, rows), severity=severity)


def is_clean(cast: Cast, spec: ColumnSpec) -> bool:
    """Whether a column surely keeps all of pandera's checks."""
    column = cast.values
    if spec.kind == "number":
        return _is_clean_number(column.to_numpy(dtype=np.float64, na_value=np.nan), spec)
    if not spec.nullable and column.isna().any():
        return False
    if spec.kind == "category":
        return set(column.dropna().unique().tolist()) <= set(spec.levels or ())
    return spec.pattern is None


def _is_clean_number(values: NDArray[np.float64], spec: ColumnSpec) -> bool:
    if not len(values):
        return True
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)  # they skip missing values
    if not spec.nullable and np.isnan(values.min()):  # a missing value makes it missing
        return False
    if np.isnan(low):
        return True  # missing values and nothing else
    above = low > -np.inf if spec.minimum is None else low >= spec.minimum
    below = high < np.inf if spec.maximum is None else high <= spec.maximum
    return bool(above and below and np.isfinite(low) and np.isfinite(high))


def _cross_hits(casts: Mapping[str, Cast], checks: Sequence[Check]) -> list[Hit]:
    hits = []
    for check, severity in checks:
        if not set(check.columns) <= set(casts):
            continue  # a missing column is reported already
        frame = pd.DataFrame({name: casts[name].values for name in check.columns})
        shown = check.columns
        if isinstance(check, OwnRule):
            broken, shown = check.broken_rows(frame), shown[:SHOWN_COLUMNS]
        else:
            broken = broken_rows(check, frame)
        rows = np.flatnonzero(broken)
        if len(rows):
            first = (f"{name} = {frame[name].iloc[rows[0]]}" for name in shown)
            values = [", ".join(first)]
            hits.append(Hit("check", None, rows, values, check.text, severity))
    return hits
