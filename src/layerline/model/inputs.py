"""Raw columns, as a user has them, -> the types that the model learnt from.

The same row may come from CSV as text, from pandas as int64 or (with a gap beside it) float64, from
JSON as objects: one value must mean one thing in all of them. What cannot be read is refused with
its column and rows; nothing is guessed. To add a kind of column, add a line to READERS.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerline.errors import DataError
from layerline.model.refusals import ALOUD, Refusal
from layerline.sources.reading.parsing import MISSING_WORDS, plain_fields
from layerline.text import closest, listing
from layerline.validation.schema.definitions import ColumnSpec

_TRUTH = {"true": True, "false": False}
_SHOWN_ROWS = 5


def read_columns(
    frame: pd.DataFrame,
    columns: Sequence[ColumnSpec],
    levels: Mapping[str, Sequence[Any]],
    refusal: Refusal = ALOUD,
    missing: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the model's columns, typed; other columns are left out.

    Args:
        frame: the user's rows, columns in any order.
        columns: what the model reads.
        levels: the levels that each categorical column had in training, which give its type.
        refusal: what is done with values that cannot be read.
        missing: further words for a missing value, in every column, as the training had them.

    Raises:
        DataError: a column is absent or there twice; by default also a value of another kind.
    """
    _require(frame, columns)
    read = {
        spec.name: READERS[spec.kind](
            _without(frame[spec.name], missing), spec, tuple(levels.get(spec.name, ())), refusal
        )
        for spec in columns
    }
    return pd.DataFrame(read, index=frame.index)


def _without(column: pd.Series, missing: Sequence[str]) -> pd.Series:
    """The column with gaps where its text is one of the words."""
    if not missing or pd.api.types.is_numeric_dtype(column):
        return column
    return column.mask(column.isin(list(missing)))


def _require(frame: pd.DataFrame, columns: Sequence[ColumnSpec]) -> None:
    names = [str(name) for name in frame.columns]
    for spec in columns:
        if names.count(spec.name) == 1:
            continue
        if spec.name in names:
            raise DataError(f"column {spec.name!r} is there twice; rename one of them")
        near = closest(spec.name, names)
        hint = f"did you mean {near!r}? " if near else ""
        needed = listing([column.name for column in columns])
        raise DataError(f"column {spec.name!r} is not in the data; {hint}the model reads: {needed}")


def _read_number(
    column: pd.Series, spec: ColumnSpec, levels: tuple[Any, ...], refusal: Refusal
) -> "pd.Series[float]":
    if pd.api.types.is_datetime64_any_dtype(column):
        _refuse(column, column.notna(), spec, "numbers", refusal)
    values, unread = parse_numbers(column, truth=spec.dtype == "bool")
    _refuse(column, unread, spec, "numbers", refusal)
    _refuse(column, values.abs() == np.inf, spec, "finite numbers", refusal)
    return values


def parse_numbers(
    column: pd.Series, *, truth: bool
) -> tuple["pd.Series[float]", "pd.Series[bool]"]:
    """(values with NaN for gaps, which values are neither a number nor a gap)."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.Series(numbers, column.index), pd.Series(False, column.index)
    if isinstance(column.dtype, pd.StringDtype) and not truth:
        found = _parse_text(column)
        if found is not None:
            return found
    plain = column.astype(object).map(_strip, na_action="ignore")
    gaps = plain.isna() | plain.isin(MISSING_WORDS)
    if truth:
        plain = plain.map(lambda value: _TRUTH.get(str(value).lower(), value), na_action="ignore")
    values = pd.to_numeric(plain.where(~gaps, np.nan), errors="coerce").astype(np.float64)
    return values, values.isna() & ~gaps


def _parse_text(column: pd.Series) -> tuple["pd.Series[float]", "pd.Series[bool]"] | None:
    """The same for text, by Arrow: thirty times as fast; None where one field is no number."""
    text = pa.array(column, from_pandas=True)
    chunks = text.chunks if isinstance(text, pa.ChunkedArray) else [text]
    plain = plain_fields(pa.chunked_array(chunks, text.type).cast(pa.string()))
    try:
        values = plain.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    # A NaN in other letters than those of MISSING_WORDS is no gap.
    unread = pc.fill_null(pc.is_nan(values), False).to_numpy()
    numbers = pc.fill_null(values, np.nan).to_numpy()
    return pd.Series(numbers, column.index), pd.Series(unread, column.index)


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _read_date(
    column: pd.Series, spec: ColumnSpec, levels: tuple[Any, ...], refusal: Refusal
) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    plain = column.astype(object).map(_strip, na_action="ignore")
    gaps = plain.isna() | plain.isin(MISSING_WORDS)
    # A bare number could be a year, days or seconds: it is refused, not guessed.
    numbers = plain.map(lambda value: isinstance(value, int | float)) & ~gaps
    dates = pd.to_datetime(plain.where(~gaps & ~numbers), format="ISO8601", errors="coerce")
    _refuse(column, dates.isna() & ~gaps, spec, "dates like 2024-12-31", refusal)
    return dates


def _read_category(
    column: pd.Series, spec: ColumnSpec, levels: tuple[Any, ...], refusal: Refusal
) -> pd.Series:
    """Values in the type of the levels; one not seen in training stays as it is."""
    known = [level for level in levels if level is not None]
    if known and not any(isinstance(level, str) for level in known):
        values, unread = parse_numbers(column, truth=spec.dtype == "bool")
        return values.astype(object).where(~unread, column.astype(object))
    return _as_text(column, spec, frozenset(known), refusal)


def _as_text(
    column: pd.Series, spec: ColumnSpec, known: frozenset[str], refusal: Refusal
) -> pd.Series:
    """Numbers in a text column: accepted when their text is a known level.

    A reader that guesses types turns 00123 into 123; that must not pass as an unseen level.
    """
    plain = column.astype(object)
    if isinstance(column.dtype, pd.StringDtype):
        return plain
    odd = plain.notna() & ~plain.map(lambda value: isinstance(value, str)).astype(bool)
    if not odd.any():
        return plain
    text = plain.where(~odd, plain.map(_number_as_text, na_action="ignore"))
    unknown = odd & ~text.isin(known)
    _refuse(column, unknown, spec, "text (read it as text: a number has lost its form)", refusal)
    return text


def _number_as_text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _refuse(
    column: pd.Series, wrong: "pd.Series[bool]", spec: ColumnSpec, meant: str, refusal: Refusal
) -> None:
    def reason(position: int) -> str:
        found = column.iloc[position]
        found = found.item() if isinstance(found, np.generic) else found
        return f"column {spec.name!r} must hold {meant}, found {found!r}"

    def told(positions: NDArray[Any]) -> str:
        rows = ", ".join(str(refusal.number(place)) for place in positions[:_SHOWN_ROWS])
        more = ", …" if len(positions) > _SHOWN_ROWS else ""
        return f"{reason(positions[0])} ({len(positions)} values, rows {rows}{more})"

    refusal.take(np.asarray(wrong, dtype=np.bool_), told, reason)


Reader = Callable[[pd.Series, ColumnSpec, tuple[Any, ...], Refusal], pd.Series]
READERS: Mapping[str, Reader] = {
    "number": _read_number,
    "date": _read_date,
    "category": _read_category,
    "text": _read_category,
}
