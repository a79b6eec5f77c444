"""One look at each file's columns: what their values show of their types, and of their forms.

Here the files are looked at one after the other. Elsewhere, on the workers of a cluster, each is
looked at alone, and the looks are merged in the files' order: the result is the same.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from layerline.columns.forms import ColumnForms
from layerline.columns.missing import plain_fields
from layerline.errors import LayerlineError
from layerline.sources.reading.batches import Batch, Column, ColumnSurvey, Stream
from layerline.sources.reading.unchanged import Unchanged, reporting_unreadable
from layerline.tables.cluster import Each

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


class _Look(NamedTuple):
    """The columns of one file, and what its rows show of them."""

    names: list[str]
    surveys: dict[str, ColumnSurvey]


def look_at_all(
    parts: Sequence[Part], unsure: set[str], surveys: dict[str, ColumnSurvey], each: Each | None
) -> dict[Path, list[str]]:
    """Add all files to the surveys; return the columns of each.

    Args:
        parts: the files.
        unsure: the columns whose values are looked at.
        surveys: by column; grows.
        each: looks at each file alone, elsewhere; None: here.

    Raises:
        DataError: malformed, or no type holds all values of a column.
        SourceError: a file is damaged.
    """
    if each is None or not any(_is_read(part, unsure) for part in parts):
        return {part.path: _look_at(part, unsure, surveys) for part in parts}
    with closing(each(partial(_look_alone, unsure), parts)) as looks:
        return {
            part.path: _merge(surveys, part, unsure, look)
            for part, look in zip(parts, looks, strict=True)
        }


def add_gap(surveys: dict[str, ColumnSurvey], name: str, path: Path) -> None:
    """Note that a file lacks the column."""
    surveys.setdefault(name, ColumnSurvey(name)).add(_GAP, path)


def _is_read(part: Part, unsure: set[str]) -> bool:
    """Whether its rows decide something."""
    return part.stream.names is None or bool(unsure - part.partition.keys())


def _look_alone(unsure: set[str], part: Part) -> _Look | None:
    """Look at one file; None where something is wrong: what, depends on those before it."""
    surveys: dict[str, ColumnSurvey] = {}
    try:
        return _Look(_look_at(part, unsure, surveys), surveys)
    except LayerlineError:
        return None


def _merge(
    surveys: dict[str, ColumnSurvey], part: Part, unsure: set[str], look: _Look | None
) -> list[str]:
    """Add a look at one file to those at the files before it; return its columns."""
    both = look.surveys.keys() & surveys.keys() if look is not None else ()
    if look is None or not all(surveys[name].agrees_with(look.surveys[name]) for name in both):
        return _look_at(part, unsure, surveys)  # raises, with the words of one machine
    for name, survey in look.surveys.items():
        if name in surveys:
            surveys[name].merge(survey)
        else:
            surveys[name] = survey
    return look.names


def _look_at(part: Part, unsure: set[str], surveys: dict[str, ColumnSurvey]) -> list[str]:
    """Add one file to the surveys; return its columns."""
    known = part.stream.names is not None
    for name, kind in part.stream.types.items():
        if name not in unsure:
            surveys.setdefault(name, ColumnSurvey(name)).take(kind, part.path)
    names = dict.fromkeys(part.names)
    if _is_read(part, unsure):
        with reporting_unreadable(part.path):
            for position, batch in enumerate(part.stream.batches(unsure if known else None)):
                late = [name for name in batch.columns if position and name not in names]
                names |= dict.fromkeys(batch.columns)
                _add(batch, list(batch.columns) if known else list(names), surveys, part.path)
                for name in () if known else late:
                    surveys[name].add(_GAP, part.path)  # earlier rows have no such key
    values = _of_folders(part)
    _add(Batch(1, values), list(values), surveys, part.path)
    return list(names)


def _of_folders(part: Part) -> dict[str, Column]:
    """The columns that the names of its folders give, with one row."""
    return {
        name: Column(pa.chunked_array([pa.array([value], pa.string())]), "fields")
        for name, value in part.partition.items()
    }


def _add(batch: Batch, names: list[str], surveys: dict[str, ColumnSurvey], path: Path) -> None:
    for name in names:
        survey = surveys.setdefault(name, ColumnSurvey(name))
        survey.add(batch.columns.get(name, _GAP), path)


def look_again(parts: Sequence[Part], each: Each | None, names: set[str]) -> dict[str, ColumnForms]:
    """Read columns once more for the forms of their text."""
    forms = {name: ColumnForms() for name in sorted(names)}
    having = [part for part in parts if names & _possible_names(part, names)]
    if each is None:
        for part in having:
            _add_forms(forms, part)
        return forms
    with closing(each(partial(_forms_alone, names), having)) as alone:
        for found in alone:
            for name, form in found.items():
                forms[name].merge(form)
    return forms


def _possible_names(part: Part, names: set[str]) -> set[str]:
    return names if part.stream.names is None else set(part.names)


def _forms_alone(names: set[str], part: Part) -> dict[str, ColumnForms]:
    forms = {name: ColumnForms() for name in names}
    _add_forms(forms, part)
    return forms


def _add_forms(forms: Mapping[str, ColumnForms], part: Part) -> None:
    if part.stream.names is None or forms.keys() & set(part.stream.names):
        with reporting_unreadable(part.path):
            for batch in part.stream.batches(forms.keys()):
                for name, column in batch.columns.items():
                    forms[name].add(plain_fields(column.values))
    for name, column in _of_folders(part).items():
        if name in forms:
            forms[name].add(plain_fields(column.values))
