"""Each batch parted into the rows that passed, in the schema's types, and those set aside."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from layerline.columns.spec import ColumnSpec
from layerline.config import ValidateSection
from layerline.validation.checks import PLACES, Places, Verdict, check
from layerline.validation.refusal import refuse, report_of
from layerline.validation.row_batches import FrameRows
from layerline.validation.row_rules import cast_columns
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violations import Broken

REASON = "reason"


class ValidationResult(NamedTuple):
    """What passed, in the schema's types and column order, and what was set aside."""

    frame: pd.DataFrame
    quarantine: pd.DataFrame  # the rows as they came, and "reason"
    kept: NDArray[np.int64]  # positions of the rows that passed
    report: dict[str, Any]


def validate(
    frame: pd.DataFrame,
    schema: TableSchema,
    section: ValidateSection,
    *,
    images: NDArray[np.uint8] | None = None,
    places: Places = PLACES,
) -> ValidationResult:
    """Check and sift a table in memory, or images with their labels.

    Raises:
        BrokenRulesError: rules are broken that `section` does not allow to set rows aside for; the
            message has a line for each.
    """
    rows = FrameRows(frame)
    verdict = check(rows, schema, section, images=images, places=places)
    report = report_of(verdict, rows, section, schema)
    refuse(verdict, section, report, places.data)
    clean = passed(0, rows.frame, schema, verdict)
    aside = set_aside(0, rows.frame, verdict)
    return ValidationResult(clean, aside, np.flatnonzero(~verdict.bad), report)


def passed(start: int, frame: pd.DataFrame, schema: TableSchema, verdict: Verdict) -> pd.DataFrame:
    """The good rows of a batch, in the schema's types and order of columns."""
    good = ~verdict.bad[start : start + len(frame)]
    casts = cast_columns(frame, schema)
    clean = pd.DataFrame({name: cast.values[good] for name, cast in casts.items()})
    clean = clean.reset_index(drop=True)
    for spec in schema.columns:
        if spec.name in clean:
            clean[spec.name] = clean[spec.name].astype(pandas_type(spec, verdict))
    return clean


def pandas_type(spec: ColumnSpec, verdict: Verdict) -> Any:
    """The type in pandas, the same in every batch: missing values have no room in some."""
    if spec.name in verdict.with_gaps:
        return "float64" if spec.dtype == "int64" else "object"
    return spec.dtype


def set_aside(
    start: int, frame: pd.DataFrame, verdict: Verdict, limit: int | None = None
) -> pd.DataFrame:
    """The bad rows of a batch as they came, at most `limit`, and why."""
    bad = np.flatnonzero(verdict.bad[start : start + len(frame)])[:limit]
    aside = frame.iloc[bad].reset_index(drop=True)
    reasons = _reasons(bad + start, verdict.errors)
    aside[reason_column(list(map(str, frame.columns)))] = pd.Series(reasons, dtype="str")
    return aside


def reason_column(names: Sequence[str]) -> str:
    """`reason`, or with underscores where the table has such a column."""
    name = REASON
    while name in names:
        name += "_"
    return name


def _reasons(rows: NDArray[np.int64], rules: Sequence[Broken]) -> list[str]:
    found: list[list[str]] = [[] for _ in rows]
    for rule in rules:
        for position in np.flatnonzero(np.isin(rows, rule.rows)):
            found[position].append(rule.reason)
    return ["; ".join(reasons) for reasons in found]


def arrow_schema(schema: TableSchema, verdict: Verdict) -> pa.Schema:
    """The types that the good rows have in Parquet, whichever batch comes first."""
    types = {spec.name: pandas_type(spec, verdict) for spec in schema.columns}
    # What pandas keeps as objects are truth values with gaps.
    empty = {name: pd.Series([], dtype=t.replace("object", "bool")) for name, t in types.items()}
    return pa.Schema.from_pandas(pd.DataFrame(empty), preserve_index=False).remove_metadata()
