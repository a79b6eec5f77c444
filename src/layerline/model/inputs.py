"""Raw columns, as a user has them, -> the types that the model learnt from.

The same row may come from CSV as text, from pandas as int64 or (with missing values) float64, from
JSON as objects: `layerline.columns` reads all of them alike. What cannot be read is refused with
its column and rows; nothing is guessed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.arrays import gaps_of
from layerline.columns.cast import Cast, cast_column
from layerline.columns.judge import STRICT, Breach, breaches, fault_with_value
from layerline.columns.spec import ColumnSpec
from layerline.errors import DataError
from layerline.model.refusals import RAISE, SHOWN_ROWS, Refusal
from layerline.text import closest, listing


@dataclass
class InputTally:
    """What was done with values that were predicted all the same, counted by column."""

    imputed: Counter[str] = field(default_factory=Counter)  # missing values that were filled
    unknown: Counter[str] = field(default_factory=Counter)  # levels that training did not have
    outside: Counter[str] = field(default_factory=Counter)  # numbers beyond the limits

    def add(self, cast: Cast, spec: ColumnSpec, rules: frozenset[str] | None) -> None:
        """Count a column that was judged by these rules."""
        self.imputed[spec.name] += int(gaps_of(cast.values).sum())
        if rules is None and not spec.lenient:
            return  # whatever else there was is refused
        for breach in breaches(cast, replace(spec, lenient=())):
            if breach.rule in _COUNTED:
                getattr(self, _COUNTED[breach.rule])[spec.name] += int(breach.rows.sum())

    def lines(self) -> list[str]:
        """One line for each kind that occurred, with its columns."""
        kinds = (
            (self.imputed, "imputed missing values"),
            (self.unknown, "unknown levels"),
            (self.outside, "numbers outside the limits"),
        )
        lines = []
        for counts, what in kinds:
            columns = listing([f"{name} {n:,}" for name, n in counts.items() if n])
            lines += [f"{what}: {counts.total():,} ({columns})"] if columns else []
        return lines


_COUNTED = {"levels": "unknown", "limits": "outside"}


def read_columns(
    frame: pd.DataFrame,
    columns: Sequence[ColumnSpec],
    refusal: Refusal = RAISE,
    missing: Sequence[str] = (),
    rules: frozenset[str] | None = STRICT,
    tally: InputTally | None = None,
) -> pd.DataFrame:
    """Return the model's columns, typed; other columns are left out.

    Args:
        frame: the user's rows, columns in any order.
        columns: what the model reads.
        refusal: what happens to rows that break a rule.
        missing: further words for a missing value, in every column, as the training had them.
        rules: which rules count, see `layerline.columns.judge`; None means all.
        tally: counts what was accepted, though training had none of it.

    Raises:
        DataError: a column is missing or there twice; by default also a row that breaks a rule.
    """
    require_columns(frame, columns)
    read = {}
    for spec in columns:
        raw = without_words(frame[spec.name], missing)
        cast = cast_column(raw, spec)
        for breach in breaches(cast, spec, rules=rules):
            _refuse(raw, cast, spec, breach, refusal)
        if tally is not None:
            tally.add(cast, spec, rules)
        read[spec.name] = cast.values
    return pd.DataFrame(read, index=frame.index)


def with_absent(
    frame: pd.DataFrame, columns: Sequence[ColumnSpec], union: bool = True
) -> pd.DataFrame:
    """The frame with gaps for the columns that it lacks and that may have them.

    Args:
        frame: the user's rows.
        columns: what the model reads.
        union: whether its training read files of different columns; else nothing is added.
    """
    if not union:
        return frame
    absent = [spec.name for spec in columns if spec.nullable and spec.name not in frame]
    return frame.assign(**dict.fromkeys(absent)) if absent else frame


def without_words(column: pd.Series, missing: Sequence[str]) -> pd.Series:
    """The column with gaps where its text is one of the words."""
    if not missing or pd.api.types.is_numeric_dtype(column):
        return column
    return column.mask(column.isin(list(missing)))


def require_columns(frame: pd.DataFrame, columns: Sequence[ColumnSpec]) -> None:
    """Refuse a frame that lacks one of the columns.

    Raises:
        DataError: with the closest name.
    """
    names = [str(name) for name in frame.columns]
    for spec in columns:
        if names.count(spec.name) == 1:
            continue
        if spec.name in names:
            raise DataError(f"column {spec.name!r} is there twice; rename one of them")
        near = closest(spec.name, names)
        hint = f"did you mean {near!r}? " if near else ""
        needed = listing([column.name for column in columns])
        raise DataError(f"column {spec.name!r} is missing; {hint}the model reads: {needed}")


def _refuse(raw: pd.Series, cast: Cast, spec: ColumnSpec, breach: Breach, refusal: Refusal) -> None:
    def reason(position: int) -> str:
        value = cast.values.iloc[position]
        words = fault_with_value(spec, breach.rule, raw.iloc[position], value)
        return f"column {spec.name!r} {words}"

    def summary(positions: NDArray[np.intp]) -> str:
        rows = ", ".join(str(refusal.number(place)) for place in positions[:SHOWN_ROWS])
        more = ", …" if len(positions) > SHOWN_ROWS else ""
        counted = f"{len(positions)} value{'s' if len(positions) > 1 else ''}"
        return (
            f"{reason(int(positions[0]))} ({counted}, row{'s' * (len(positions) > 1)} {rows}{more})"
        )

    refusal.refuse(breach.rows, summary, reason)
