"""Categories: one of the levels of their column, which are text or whole numbers.

Blanks around text mean nothing unless a level has them. A number in a column of text counts when
its digits are a level: a reader that guesses types turns 00123 into 123, and that must not pass.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerline.columns import date, number
from layerline.columns.arrays import Read, gaps_of, none_bad, refuse_all
from layerline.columns.spec import ColumnSpec, Level
from layerline.columns.truth_words import WORD_PAIRS
from layerline.text import listing

MAX_LEVELS = 1000
FEW_LEVELS = 20  # never an identifier
SHOWN_LEVELS = 20
AT_ONCE = 1 << 17  # values whose levels are counted


def from_text(fields: pa.ChunkedArray, spec: ColumnSpec) -> Read:
    """Text -> levels as they are written in the schema; whole numbers are read as numbers."""
    if spec.dtype == "int64":
        return number.from_text(fields, spec)
    found = fields.combine_chunks().dictionary_encode()
    words = found.dictionary.to_pylist()
    meant = [level_of(word, spec.levels or ()) for word in words]
    if meant == words:
        return Read(fields, none_bad(len(fields)))
    return Read(pa.array(meant, pa.string()).take(found.indices), none_bad(len(fields)))


def level_of(word: str, levels: Sequence[Any]) -> str | None:
    """The level that text stands for: itself, or what is left without the blanks around it."""
    if word in levels:
        return word
    plain = word.strip()
    if plain in levels:
        return plain
    return word if plain else None


def from_numbers(column: pd.Series, spec: ColumnSpec) -> Read:
    """Numbers -> levels."""
    if spec.dtype == "int64":
        return number.from_numbers(column, spec)
    gaps = gaps_of(column)
    texts = [None if gap else number_text(v) for v, gap in zip(column, gaps, strict=True)]
    known = set(spec.levels or ())
    bad = np.array([text is not None and text not in known for text in texts], dtype=np.bool_)
    values = np.array(texts, dtype=object)
    values[bad] = None
    return Read(values, bad)


def number_text(value: Any) -> str:
    """A number as text; pandas makes 5.0 of 5 where a gap is next to it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def from_truths(column: pd.Series, spec: ColumnSpec) -> Read:
    """True and false are levels where the two levels are words for them, such as yes and no."""
    words = truth_words(spec.levels or ())
    if words is None:
        return refuse_all(column, np.nan if spec.dtype == "int64" else None)
    values = column.astype(object).map(words, na_action="ignore").to_numpy(dtype=object)
    return Read(values, none_bad(len(column)))


def truth_words(levels: Sequence[Any]) -> dict[bool, str] | None:
    """The words that two levels are for true and false; None where they are not."""
    by_word = {str(level).lower(): level for level in levels if isinstance(level, str)}
    for true, false in WORD_PAIRS:
        if len(levels) == 2 and by_word.keys() == {true, false}:
            return {True: by_word[true], False: by_word[false]}
    return None


def from_dates(column: pd.Series, spec: ColumnSpec) -> Read:
    """Dates -> the levels that are such dates, written as ISO has them; others are refused.

    JSON and Arrow give dates where a CSV has the text of the level.
    """
    if spec.dtype == "int64":
        return refuse_all(column, np.nan)
    words = [str(level) for level in spec.levels or ()]
    moments = date.parse(pa.chunked_array([words], pa.string())).to_numpy()
    levels = {m: word for word, m in zip(words, moments, strict=True) if not np.isnat(m)}
    found = date.from_dates(column, spec)
    values = np.array([levels.get(moment) for moment in found.values], dtype=object)
    return Read(values, gaps_of(values) & ~gaps_of(column))


def is_level(column: pd.Series, spec: ColumnSpec) -> NDArray[np.bool_]:
    """(B,) which values are levels; gaps count as one."""
    found = column.isin(list(spec.levels or ())) | column.isna()
    return np.asarray(found, dtype=np.bool_)


def matches(column: pd.Series, pattern: str) -> NDArray[np.bool_]:
    """(B,) which text matches as a whole, by Arrow's RE2: linear in the text whatever the pattern.

    Gaps match.
    """
    text = pa.array(column.astype(object).where(column.notna(), None), pa.string())
    found = pc.match_substring_regex(text, rf"\A(?:{pattern})\z").fill_null(True)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def checks(spec: ColumnSpec) -> Mapping[str, Any]:
    """Rule -> which of (B,) values keep it."""
    found: dict[str, Any] = {"levels": lambda column: is_level(column, spec)}
    if spec.pattern is not None:
        pattern = spec.pattern
        found["pattern"] = lambda column: matches(column, pattern)
    return found


def noun(spec: ColumnSpec) -> str:
    """What the values must be, in a message."""
    return "whole numbers" if spec.dtype == "int64" else "text"


def fault(spec: ColumnSpec, rule: str, value: Any) -> str:
    """What is wrong with one value: `must be ...`."""
    if rule == "levels":
        near = _meant(value, spec.levels or ())
        hint = f"; did you mean {near!r}?" if near else ""
        return f"must be one of: {listing(spec.levels or (), SHOWN_LEVELS)}{hint}"
    if rule == "pattern":
        return f"must match {spec.pattern!r}"
    if spec.dtype == "int64":
        return "must be a whole number"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "must be text (a number may have lost its form)" if is_number else "must be text"


def _meant(value: Any, levels: Sequence[Any]) -> str | None:
    """A level that has lost its leading zeros or its capitals on the way."""
    if not isinstance(value, str):
        return None
    plain = value.strip().casefold().lstrip("0")
    texts = (level for level in levels if isinstance(level, str))
    return next((level for level in texts if level.casefold().lstrip("0") == plain), None)


def json_type(spec: ColumnSpec, any_value: bool) -> dict[str, Any]:
    """The JSON schema of one value."""
    kind = "integer" if spec.dtype == "int64" else "string"
    levels = [level for level in spec.levels or () if level is not None]
    return {"type": kind, **({"enum": levels} if levels and not any_value else {})}


def example(spec: ColumnSpec) -> Any:
    """A value that is right."""
    return next((level for level in spec.levels or () if level is not None), "")


def levels_of(column: pd.Series) -> tuple[Level, ...]:
    """The distinct values of a column, sorted; blanks around text mean nothing."""
    found = column.dropna().unique().tolist()
    plain = {value.strip() if isinstance(value, str) else value for value in found}
    return tuple(sorted(plain - {""}))


def _n_levels(column: pd.Series) -> int:
    """How many distinct values there are; counting ends once there are too many."""
    found: set[Any] = set()
    for start in range(0, len(column), AT_ONCE):
        found.update(column.iloc[start : start + AT_ONCE].dropna().unique())
        if len(found) > MAX_LEVELS:
            break
    return len(found)


def infer(column: pd.Series, name: str) -> ColumnSpec | None:
    """The column's first spec; None when its values are too many to be levels."""
    n_levels, n_values = _n_levels(column), column.notna().sum()
    if n_levels > MAX_LEVELS or (n_levels > FEW_LEVELS and n_levels > n_values / 2):
        return None
    values = column.unique().tolist()
    nullable = any(pd.isna(value) or not str(value).strip() for value in values)
    return ColumnSpec(name, "category", "str", nullable, levels=levels_of(column))
