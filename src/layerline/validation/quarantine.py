"""Each batch parted into the rows that passed, in the schema's types, and those set aside."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from layerline.columns.spec import ColumnSpec
from layerline.config import ValidateSection
from layerline.validation.checks import PLACES, Places, Verdict, check
from layerline.validation.column_summary import ColumnLook, ColumnSummary
from layerline.validation.refusal import refuse, report_of
from layerline.validation.row_batches import FrameRows, ParquetRows
from layerline.validation.row_rules import cast_columns
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.streaming_profile import summarise
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
    clean = passed(rows.frame, verdict.bad, schema, verdict.with_gaps)
    aside = with_reasons(rows.frame[verdict.bad], 0, verdict)
    return ValidationResult(clean, aside, np.flatnonzero(~verdict.bad), report)


class Sifted(NamedTuple):
    """One batch: the good rows in the schema's types, and their summaries; the bad as they came.

    The good rows are null where nobody wants them. The index of the bad rows is their positions in
    the batch.
    """

    n_good: int
    clean: pa.Table | None
    summaries: Mapping[str, ColumnSummary]
    bad: pd.DataFrame


class Sieve:
    """Parts batches into good and bad rows; it depends on the batch alone, as BatchCheck does."""

    def __init__(
        self,
        schema: TableSchema,
        with_gaps: Collection[str],
        looks: Mapping[str, ColumnLook],
        *,
        only_looks: bool = False,
    ) -> None:
        self._schema, self._with_gaps, self._looks = schema, with_gaps, looks
        self._only_looks = only_looks

    def __call__(self, frame: pd.DataFrame, bad: NDArray[np.bool_]) -> Sifted:
        clean = passed(frame, bad, self._schema, self._with_gaps)
        table = None
        if not self._only_looks:
            types = arrow_schema(self._schema, self._with_gaps)
            table = pa.Table.from_pandas(clean, schema=types, preserve_index=False, nthreads=1)
        aside = frame.iloc[np.flatnonzero(bad)]
        return Sifted(len(clean), table, summarise(clean, self._looks), aside)


def passed(
    frame: pd.DataFrame, bad: NDArray[np.bool_], schema: TableSchema, with_gaps: Collection[str]
) -> pd.DataFrame:
    """The good rows of a batch, in the schema's types and order of columns."""
    values = {name: cast.values for name, cast in cast_columns(frame, schema).items()}
    if bad.any():
        values = {name: column[~bad] for name, column in values.items()}
    clean = pd.DataFrame(values, copy=False).reset_index(drop=True)
    for spec in schema.columns:
        if spec.name in clean:
            clean[spec.name] = clean[spec.name].astype(pandas_type(spec, with_gaps))
    return clean


def pandas_type(spec: ColumnSpec, with_gaps: Collection[str]) -> Any:
    """The type in pandas, the same in every batch: missing values have no room in some."""
    if spec.name in with_gaps:
        return "float64" if spec.dtype == "int64" else "object"
    return spec.dtype


def with_reasons(bad: pd.DataFrame, start: int, verdict: Verdict) -> pd.DataFrame:
    """Bad rows of the batch that begins at row `start`, and why; their index is positions in it."""
    reasons = _reasons(bad.index.to_numpy(dtype=np.int64) + start, verdict.errors)
    aside = bad.reset_index(drop=True)
    aside[reason_column(list(map(str, bad.columns)))] = pd.Series(reasons, dtype="str")
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


def is_as_it_came(rows: ParquetRows, schema: TableSchema, verdict: Verdict) -> bool:
    """Whether data/validated would be the bytes of data/raw: it can be copied then.

    No row is set aside, and no column changes its place, its type, or what stands for a gap. Text
    does: it has another type in data/raw.
    """
    wanted = arrow_schema(schema, verdict.with_gaps)
    if verdict.bad.any() or not rows.schema.remove_metadata().equals(wanted):
        return False
    return rows.gaps_as_stored() == dict(verdict.n_missing)


def arrow_schema(schema: TableSchema, with_gaps: Collection[str]) -> pa.Schema:
    """The types that the good rows have in Parquet, whichever batch comes first."""
    types = {spec.name: pandas_type(spec, with_gaps) for spec in schema.columns}
    # What pandas keeps as objects are truth values with gaps.
    empty = {name: pd.Series([], dtype=t.replace("object", "bool")) for name, t in types.items()}
    return pa.Schema.from_pandas(pd.DataFrame(empty), preserve_index=False).remove_metadata()
