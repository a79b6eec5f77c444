"""Which type each column has in all files: a look at every value that the answer depends on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from layerline.columns.forms import (
    UNDECIDED,
    Ambiguous,
    Choices,
    ColumnForms,
    Settled,
    decimal_of,
    settle,
)
from layerline.columns.survey import ColumnType, FieldSurvey
from layerline.columns.written import NUMBERED, Written
from layerline.errors import DataError
from layerline.sources.reading.batches import ColumnSurvey
from layerline.sources.reading.file_surveys import Part, add_gap, look_again, look_at_all
from layerline.tables.cluster import Each


class Surveyed(NamedTuple):
    """The type of each column, and the columns of each file."""

    kinds: dict[str, ColumnType]
    names: dict[Path, list[str]]


def survey_columns(
    parts: Sequence[Part], text: set[str], choices: Choices = UNDECIDED, each: Each | None = None
) -> Surveyed:
    """Decide the types.

    Args:
        parts: the files.
        text: columns that are text, whatever is in them.
        choices: of the user, for numbers and dates.
        each: looks at each file alone, elsewhere; None: here, one after the other. The result is
            the same.

    Raises:
        DataError: malformed, no type holds all values of a column, or a column can be read in two
            ways.
        SourceError: a file is damaged.
    """
    surveys: dict[str, ColumnSurvey] = {}
    unsure = _unsure(parts) - text
    names = look_at_all(parts, unsure, surveys, each)
    order = dict.fromkeys(name for found in names.values() for name in found)
    for path, found in names.items():
        for name in order:
            if name not in found:
                add_gap(surveys, name, path)
    kinds = {name: (surveys.get(name) or ColumnSurvey(name)).result for name in order}
    fields = {
        name: survey.fields
        for name, survey in surveys.items()
        if survey.fields is not None and survey.fields.forms is not None and name not in text
    }
    kinds |= _types_by_form(fields, kinds, choices, text, partial(look_again, parts, each))
    return Surveyed(kinds, names)


def _types_by_form(
    fields: Mapping[str, FieldSurvey],
    kinds: Mapping[str, ColumnType],
    choices: Choices,
    text: set[str],
    look_again: Callable[[set[str]], dict[str, ColumnForms]],
) -> dict[str, ColumnType]:
    """The types of columns that are written in a form of their own."""
    forms = {
        name: survey.forms
        for name, survey in fields.items()
        if survey.is_exhausted and survey.forms is not None and survey.forms.is_possible
    }
    incomplete = {name for name in forms if fields[name].is_open}
    decimals = {name for name in fields if kinds[name].type == pa.float64()}
    has_comma = (choices.decimal or decimal_of(forms.values())) == ","
    again = look_again(incomplete | decimals if has_comma else incomplete)
    forms |= {name: again[name] for name in incomplete}
    # All rows decide, wherever an open column was cut.
    if (choices.decimal or decimal_of(forms.values())) == ",":
        # A point may be the thousands sign there: 1.940 beside 102,5.
        forms |= look_again(decimals) if not has_comma else {n: again[n] for n in decimals}
    found, questions = settle(forms, choices)
    if any(question.option == "decimal" for question in questions):
        # Plain decimals of another column may show which mark it is.
        found, questions = settle(forms | look_again(decimals - forms.keys()), choices)
        found = {name: settled for name, settled in found.items() if name in forms}
    if questions:
        raise DataError("\n".join(map(_question, questions)))
    numbered = {
        name: Settled(pa.timestamp("us"), Written(dates=form))
        for name, form in choices.dates_of.items()
        if form in NUMBERED and name in kinds and name not in text
    }
    return {
        name: ColumnType(settled.type, None, settled.written)
        for name, settled in (found | numbered).items()
    }


def _question(one: Ambiguous) -> str:
    first, second = one.answers
    return (
        f"column {one.column!r}: {one.question}, and no other value decides; set "
        f"fetch.options.{one.option} to {first!r} or {second!r}, or list the column in "
        "fetch.options.text"
    )


def _unsure(parts: Sequence[Part]) -> set[str]:
    """Columns whose type depends on their values, or differs between files."""
    kinds: dict[str, set[pa.DataType | None]] = {}
    for part in parts:
        for name in part.names:
            kinds.setdefault(name, set()).add(part.stream.types.get(name))
    return {name for name, found in kinds.items() if None in found or len(found) > 1}
