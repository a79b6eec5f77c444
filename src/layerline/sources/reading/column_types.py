"""Which type each column has in all files: a look at every value that the answer depends on."""

from collections.abc import Mapping, Sequence
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
from layerline.columns.missing import plain_fields
from layerline.columns.survey import ColumnType
from layerline.columns.written import NUMBERED, Written
from layerline.errors import DataError
from layerline.sources.reading.batches import Batch, Column, ColumnSurvey, Stream
from layerline.sources.reading.unchanged import Unchanged, reporting_unreadable

_GAP = Column(pa.chunked_array([pa.nulls(1)]))


class Part(NamedTuple):
    """One of the files, the columns that the names of its folders give, and what guards it."""

    stream: Stream
    partition: Mapping[str, str | None]
    guard: Unchanged

    @property
    def path(self) -> Path:
        return self.stream.path

    @property
    def names(self) -> list[str]:
        """The columns that are known before every row was read."""
        return [*(self.stream.names or ()), *self.partition]


class Surveyed(NamedTuple):
    """The type of each column, and the columns of each file."""

    kinds: dict[str, ColumnType]
    names: dict[Path, list[str]]


def survey_columns(parts: Sequence[Part], text: set[str], choices: Choices = UNDECIDED) -> Surveyed:
    """Decide the types.

    Args:
        parts: the files.
        text: columns that are text, whatever is in them.
        choices: of the user, for numbers and dates.

    Raises:
        DataError: malformed, no type holds all values of a column, or a column can be read in two
            ways.
        SourceError: a file is damaged.
    """
    surveys: dict[str, ColumnSurvey] = {}
    unsure = _unsure(parts) - text
    names = {part.path: _look_at(part, unsure, surveys) for part in parts}
    order = dict.fromkeys(name for found in names.values() for name in found)
    for path, found in names.items():
        for name in order:
            if name not in found:
                surveys.setdefault(name, ColumnSurvey(name)).add(_GAP, path)
    kinds = {name: (surveys.get(name) or ColumnSurvey(name)).result for name in order}
    kinds |= _types_by_form(parts, surveys, kinds, choices, text)
    return Surveyed(kinds, names)


def _types_by_form(
    parts: Sequence[Part],
    surveys: Mapping[str, ColumnSurvey],
    kinds: Mapping[str, ColumnType],
    choices: Choices,
    text: set[str],
) -> dict[str, ColumnType]:
    """The types of columns that are written in a form of their own."""
    fields = {
        name: survey.fields
        for name, survey in surveys.items()
        if survey.fields is not None and survey.fields.forms is not None and name not in text
    }
    forms = {
        name: survey.forms
        for name, survey in fields.items()
        if survey.is_exhausted and survey.forms is not None and survey.forms.is_possible
    }
    again = {name for name in forms if fields[name].is_open}
    if (choices.decimal or decimal_of(forms.values())) == ",":
        # A point may be the thousands sign there: 1.940 beside 102,5.
        again |= {name for name in fields if kinds[name].type == pa.float64()}
    forms |= _look_again(parts, again)
    found, questions = settle(forms, choices)
    if any(question.option == "decimal" for question in questions):
        # Plain decimals of another column may show which mark it is.
        plain = {name for name in fields if kinds[name].type == pa.float64()} - forms.keys()
        found, questions = settle(forms | _look_again(parts, plain), choices)
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


def _look_again(parts: Sequence[Part], names: set[str]) -> dict[str, ColumnForms]:
    """Read columns once more for the forms of their text."""
    forms = {name: ColumnForms() for name in names}
    for part in parts if names else ():
        with reporting_unreadable(part.path):
            for batch in part.stream.batches(names):
                for name, column in batch.columns.items():
                    forms[name].add(plain_fields(column.values))
    return forms


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


def _look_at(part: Part, unsure: set[str], surveys: dict[str, ColumnSurvey]) -> list[str]:
    """Add one file to the surveys; return its columns."""
    known = part.stream.names is not None
    for name, kind in part.stream.types.items():
        if name not in unsure:
            surveys.setdefault(name, ColumnSurvey(name)).take(kind, part.path)
    names = dict.fromkeys(part.names)
    if not known or unsure - part.partition.keys():
        with reporting_unreadable(part.path):
            for position, batch in enumerate(part.stream.batches(unsure if known else None)):
                late = [name for name in batch.columns if position and name not in names]
                names |= dict.fromkeys(batch.columns)
                _add(batch, list(batch.columns) if known else list(names), surveys, part.path)
                for name in () if known else late:
                    surveys[name].add(_GAP, part.path)  # earlier rows have no such key
    values = {
        name: Column(pa.chunked_array([pa.array([value], pa.string())]), "fields")
        for name, value in part.partition.items()
    }
    _add(Batch(1, values), list(values), surveys, part.path)
    return list(names)


def _add(batch: Batch, names: list[str], surveys: dict[str, ColumnSurvey], path: Path) -> None:
    for name in names:
        survey = surveys.setdefault(name, ColumnSurvey(name))
        survey.add(batch.columns.get(name, _GAP), path)
