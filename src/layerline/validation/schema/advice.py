"""What the user should know about the columns of a first schema: one sentence each."""

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from layerline.columns.date_forms import are_dates
from layerline.columns.forms import have_one_form
from layerline.columns.missing import plain_fields
from layerline.columns.number_forms import are_numbers
from layerline.columns.numbered_dates import numbered_form
from layerline.columns.row_names import numbers_rows
from layerline.columns.spec import ColumnSpec
from layerline.text import listing
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.level_advice import look_alikes, target_advice
from layerline.validation.schema.raw_columns import Columns

MOST_WORDS = 1000  # distinct values looked at
FEW_WORDS = 5  # that may be words for a missing value
LEAST_DISTINCT = 20  # fewer are levels, whatever they look like
AT_ONCE = 1 << 17  # values of a long column of text
_LIKE_A_QUANTITY = re.compile(r"\W{0,3}\d+(?:[^\w]+\d+){0,3}\W*[^\W\d_]*\W*\d*")
_POSTCODE = re.compile(
    r"(?:^|[_\W])(?:zip|plz|postleitzahl|postcode|(?:zip|post(?:al)?)[_ ]?code)$", re.IGNORECASE
)


def advice(frame: Columns, schema: TableSchema) -> list[str]:
    """One sentence, or a few, about each column that may not be what its owner thinks it is."""
    sentences: list[str] = []
    for name in schema.targets:
        if name in frame:
            sentences.extend(target_advice(frame[name], name, schema.classes))
    for column in schema.columns:
        if column.name in schema.targets or column.name not in frame:
            continue
        values = frame[column.name]
        if column.dtype == "str" and (column.use or column.kind == "text"):
            sentences.extend(_of_text(values, column.name))
        elif column.use and column.dtype in ("int64", "float64") and column.kind == "number":
            sentences.extend(_of_numbers(values, column))
        if column.kind == "text":
            sentences.append(
                f"column {column.name!r} is not used: text with {_n_distinct(values)} distinct "
                f"values in {values.notna().sum()} rows is an identifier or free text"
            )
        elif not column.use and column.kind == "number":
            why = "it has no value at all" if values.isna().all() else "it only numbers the rows"
            sentences.append(f"column {column.name!r} is not used: {why}")
    return [*sentences, *look_alikes(frame, schema)]


def _of_numbers(values: pd.Series, column: ColumnSpec) -> list[str]:
    """Numbers that may be dates, rows counted, or postcodes."""
    name = column.name
    form = numbered_form(values, name)
    if form is not None:
        return [
            f"column {name!r} is read as numbers, though they look like dates; "
            f"`--dates {name}={form}` (fetch.options.dates) makes dates of them"
        ]
    if numbers_rows(values, name):
        return [
            f"column {name!r} has another whole number in every row, so it numbers or names the "
            "rows; write use: false for it in the schema unless it is a quantity"
        ]
    if column.dtype == "int64" and _POSTCODE.search(name):
        return [
            f"column {name!r} is named like a postcode and read as a quantity; `--text {name}` "
            "(fetch.options.text) makes categories of it"
        ]
    return []


def _of_text(values: pd.Series, name: str) -> list[str]:
    """Text that looks like numbers or dates, and why it is none."""
    words = _words(values)
    if not len(words):
        return []
    like_numbers, like_dates = are_numbers(words), are_dates(words)
    for noun, likely in (("numbers", like_numbers), ("dates", like_dates)):
        if likely.all():
            shown = listing([repr(word) for word in words], 3)
            if have_one_form(words):
                return [f"column {name!r} is text in its file, though all are {noun} ({shown})"]
            return [f"column {name!r} is text: its {noun} are not written in one way ({shown})"]
        if likely.mean() >= 0.5:
            others = [word for word, is_it in zip(words, likely, strict=True) if not is_it]
            return [_mostly(others, f"{min(_share(values, others), 0.99):.0%}", noun, name)]
    padded = [word for word in words if _is_padded(word)]
    if padded and np.mean([word.isdecimal() for word in words]) >= 0.5:
        return [_padded(name, padded[0])]
    alike = np.array([bool(_LIKE_A_QUANTITY.fullmatch(word)) for word in words])
    if alike.mean() < 0.8 or len(words) <= LEAST_DISTINCT:
        return []
    shown = ", ".join(repr(word) for word in words[:2])
    return [
        f"column {name!r} is text: values such as {shown} are neither numbers nor dates in a form "
        "that is read; if they are quantities, convert them at the source"
    ]


def _words(values: pd.Series) -> list[str]:
    """Distinct values without blanks around them, those for a missing value left out."""
    distinct: dict[str, None] = {}
    for piece in _pieces(values):
        distinct |= dict.fromkeys(piece.drop_duplicates())
        if len(distinct) >= MOST_WORDS:
            break
    words = pa.array(list(distinct)[:MOST_WORDS], pa.string())
    plain = plain_fields(pa.chunked_array([words]))
    return list(dict.fromkeys(plain.drop_null().to_pylist()))


def _is_padded(word: str) -> bool:
    """Digits that a number would not begin with: '04109', '007'."""
    return len(word) > 1 and word.startswith("0") and word.isdecimal()


def _padded(name: str, word: str) -> str:
    return (
        f"column {name!r} is text because of leading zeros ({word!r}): codes such as "
        "postcodes and article numbers are categories, not quantities"
    )


def _share(values: pd.Series, others: list[str]) -> float:
    """Of the values that are there: how many are none of these words."""
    n_others = sum(int(piece.str.strip().isin(others).sum()) for piece in _pieces(values))
    return 1.0 - n_others / int(values.count())


def _pieces(values: pd.Series) -> Iterator[pd.Series]:
    """The values that are there as text, some at a time: copies of all would not fit."""
    for start in range(0, len(values), AT_ONCE):
        yield values.iloc[start : start + AT_ONCE].dropna().astype(str)


def _n_distinct(values: pd.Series) -> int:
    """Of a long column by the 64-bit hashes of its words, which take a tenth of the memory."""
    if len(values) <= AT_ONCE:
        return int(values.nunique())
    hashes = np.concatenate([pd.util.hash_array(p.to_numpy(object)) for p in _pieces(values)])
    hashes.sort()  # np.unique would make a hash table
    return int((hashes[1:] != hashes[:-1]).sum()) + min(len(hashes), 1)


def _mostly(others: list[str], share: str, noun: str, name: str) -> str:
    if (padded := next(filter(_is_padded, others), None)) is not None:
        return _padded(name, padded)
    found = f"column {name!r} is text, though {share} of its values are {noun}"
    shown = listing([repr(word) for word in others], 3)
    if len(others) > FEW_WORDS:
        return f"{found}; {shown} are not: write them as {noun} at the source, or leave them out"
    verb = "means" if len(others) == 1 else "mean"
    return (
        f"{found}; if {shown} {verb} a missing value, list that in fetch.options.missing "
        "(`layerline init --missing`)"
    )
