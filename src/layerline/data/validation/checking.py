"""The frozen schema enforced on every row: fail with every broken rule, or set bad rows aside.

A rule that rows break (a type, a missing value, a level, a limit) can be answered by quarantine;
one that the table breaks (a column that vanished, a class with too few rows) cannot.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.config import ValidateSection
from layerline.data.schema.columns import TableSchema
from layerline.data.validation.enforcing import Cast, cast_column, to_pandera
from layerline.data.validation.rules import (
    Broken,
    class_rules,
    column_rules,
    image_rules,
    type_rule,
    value_rule,
)
from layerline.errors import DataError


class BrokenRulesError(DataError):
    """The data break the schema; `report` is what reports/validation.json should say."""

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        self.report = report
        super().__init__(message)


class ValidationResult(NamedTuple):
    """What passed, in the schema's types and column order, and what was set aside."""

    frame: pd.DataFrame
    quarantine: pd.DataFrame  # the rows as they came, and "reason"
    kept: NDArray[np.int64]  # positions of the rows that passed
    report: dict[str, Any]


@dataclass(frozen=True)
class Places:
    """The files that messages name."""

    data: str = "data/raw/table.parquet"
    schema: str = "the schema"


def validate(
    frame: pd.DataFrame,
    schema: TableSchema,
    section: ValidateSection,
    *,
    images: NDArray[np.uint8] | None = None,
    places: Places = Places(),
) -> ValidationResult:
    """Check a table, or images with their labels.

    Raises:
        BrokenRulesError: rules are broken that `section` does not allow to set rows aside for; the
            message has a line for each.
    """
    frame = frame.reset_index(drop=True)
    casts = {
        spec.name: cast_column(frame[spec.name], spec)
        for spec in schema.columns
        if spec.name in frame
    }
    of_table = image_rules(images, len(frame), schema) + column_rules(frame, schema, places.schema)
    of_rows = _row_rules(frame, casts, schema, places.schema)
    bad = np.zeros(len(frame), dtype=bool)
    for rule in of_rows:
        bad[rule.rows] = True
    if not of_table:
        of_table = class_rules(casts[schema.target].values[~bad], schema, section.min_class_rows)
    report = _report(frame, of_table, of_rows, bad, section, schema)
    _refuse(of_table, of_rows, bad, section, report, places.data)
    kept = np.flatnonzero(~bad)
    clean = pd.DataFrame({c.name: casts[c.name].values[~bad] for c in schema.columns})
    clean = clean.reset_index(drop=True)
    return ValidationResult(
        _in_schema_types(clean, schema), _set_aside(frame, of_rows, bad), kept, report
    )


def _row_rules(
    frame: pd.DataFrame, casts: dict[str, Cast], schema: TableSchema, schema_file: str
) -> list[Broken]:
    """Wrong types, then all that pandera finds, in the schema's order of columns."""
    import pandera.pandas as pandera

    cast = frame.copy(deep=False)
    for name, (values, _) in casts.items():
        cast[name] = values
    broken = [
        type_rule(frame[spec.name], spec, casts[spec.name].bad)
        for spec in schema.columns
        if spec.name in casts and casts[spec.name].bad.any()
    ]
    try:
        to_pandera(schema).validate(cast, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        cases = cases[cases["schema_context"] == "Column"]
        for (name, check), group in cases.groupby(["column", "check"], sort=False):
            rows = np.unique(group["index"].to_numpy(dtype=np.int64))
            rows = rows[~casts[name].bad[rows]]  # a wrong type became a gap: told already
            if len(rows):
                rule = str(check)
                broken.append(
                    value_rule(frame[name], schema, schema[name], rule, rows, schema_file)
                )
    order = {name: position for position, name in enumerate(schema.names)}
    return sorted(broken, key=lambda rule: order[rule.column or ""])


def _report(
    frame: pd.DataFrame,
    of_table: list[Broken],
    of_rows: list[Broken],
    bad: NDArray[np.bool_],
    section: ValidateSection,
    schema: TableSchema,
) -> dict[str, Any]:
    return {
        "n_rows": len(frame),
        "n_bad_rows": int(bad.sum()),
        "on_bad_rows": section.on_bad_rows,
        "task": schema.task,
        "target": schema.target,
        "n_columns": len(schema.columns),
        "broken": [rule.to_dict() for rule in (*of_table, *of_rows)],
        "passed": not of_table and not of_rows,
    }


def _refuse(
    of_table: list[Broken],
    of_rows: list[Broken],
    bad: NDArray[np.bool_],
    section: ValidateSection,
    report: dict[str, Any],
    file: str,
) -> None:
    quarantined = section.on_bad_rows == "quarantine"
    too_many = bool(len(bad)) and bad.mean() > section.max_bad_fraction
    lines = [f"{file}: {rule.message}" for rule in of_table]
    if not quarantined or too_many:
        advice = "" if quarantined else "; or set validate.on_bad_rows: quarantine"
        lines += [f"{file}: {rule.message}{advice}" for rule in of_rows]
    if quarantined and too_many:
        share, allowed = f"{bad.mean():.1%}", f"{section.max_bad_fraction:.1%}"
        lines.append(
            f"{file}: {bad.sum()} of {len(bad)} rows ({share}) would be set aside, more than the "
            f"{allowed} of validate.max_bad_fraction; mend the data, or raise it"
        )
    if lines:
        raise BrokenRulesError("\n".join(lines), report)


def _set_aside(frame: pd.DataFrame, of_rows: list[Broken], bad: NDArray[np.bool_]) -> pd.DataFrame:
    reasons: dict[int, list[str]] = {}
    for rule in of_rows:
        for row in rule.rows.tolist():
            reasons.setdefault(row, []).append(rule.reason)
    name = "reason"
    while name in frame:
        name += "_"
    aside = frame[bad].reset_index(drop=True)
    aside[name] = pd.Series(["; ".join(reasons[row]) for row in sorted(reasons)], dtype="str")
    return aside


def _in_schema_types(clean: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    for spec in schema.columns:
        if spec.dtype not in ("int64", "bool") or not clean[spec.name].isna().any():
            clean[spec.name] = clean[spec.name].astype(spec.dtype)
    return clean
