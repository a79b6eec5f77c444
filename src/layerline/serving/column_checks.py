"""What a row must hold: one rule a column, from the schema that travels with the model.

A rule knows the type that JSON has for the column, says what is wrong with a value, and gives an
example. To add a kind of column, write a class and add one line to RULES.
"""

import dataclasses
import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from layerline.text import listing
from layerline.validation.schema.definitions import ColumnSpec

_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)
# RFC 3339, its time and its zone optional; fromisoformat alone would take week dates as well.
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
SHOWN_LEVELS = 20


class Fault(NamedTuple):
    """What is wrong with a request; `row` counts from 1, both are None for the body itself."""

    message: str
    row: int | None = None
    field: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the answer holds it."""
        return {"row": self.row, "field": self.field, "message": self.message}


class Rule(Protocol):
    """What a value of one column must be."""

    def json_type(self) -> dict[str, Any]:
        """The column's JSON schema, without null."""
        ...

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value that is not null."""
        ...

    def example(self) -> Any:
        """A value that is right."""
        ...


@dataclasses.dataclass(frozen=True)
class Number:
    """A number, within the schema's limits unless they are off."""

    spec: ColumnSpec
    any_value: bool

    def json_type(self) -> dict[str, Any]:
        if self.spec.dtype == "bool":
            return {"type": "boolean"}
        limits = {"minimum": self.spec.minimum, "maximum": self.spec.maximum}
        known = {key: limit for key, limit in limits.items() if limit is not None}
        kind = "integer" if self.spec.dtype == "int64" else "number"
        return {"type": kind, **({} if self.any_value else known)}

    def fault(self, value: Any) -> str | None:
        if self.spec.dtype == "bool":
            return None if isinstance(value, bool) else f"must be true or false, got {value!r}"
        if type(value) not in (int, float):
            return f"must be a number, got {value!r}"
        if value in (float("inf"), float("-inf")) or value != value:
            return f"must be a finite number, got {value!r}"
        if self.spec.dtype == "int64" and value != int(value):
            return f"must be a whole number, got {value!r}"
        return None if self.any_value else self._outside(value)

    def _outside(self, value: float) -> str | None:
        low, high = self.spec.minimum, self.spec.maximum
        if low is not None and value < low:
            return f"must be at least {low:g}, got {value!r}"
        if high is not None and value > high:
            return f"must be at most {high:g}, got {value!r}"
        return None

    def example(self) -> Any:
        if self.spec.dtype == "bool":
            return True
        low, high = self.spec.minimum, self.spec.maximum
        middle = (low + high) / 2 if low is not None and high is not None else low or high or 0.0
        return round(middle) if self.spec.dtype == "int64" else middle


@dataclasses.dataclass(frozen=True)
class Date:
    """A date or a time, as RFC 3339 writes it; without a zone it is taken as it stands."""

    spec: ColumnSpec
    any_value: bool

    def json_type(self) -> dict[str, Any]:
        return {
            "type": "string",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
            "description": "a date like 2024-12-31, or a time like 2024-12-31T23:59:00Z",
        }

    def fault(self, value: Any) -> str | None:
        if isinstance(value, str) and to_days(value) is not None:
            return None
        return f"must be a date like 2024-12-31, got {value!r}"

    def example(self) -> Any:
        return "2024-12-31"


@dataclasses.dataclass(frozen=True)
class Category:
    """One of the schema's levels; with `any_value` any of their type."""

    spec: ColumnSpec
    any_value: bool

    @property
    def levels(self) -> tuple[Any, ...]:
        return tuple(level for level in self.spec.levels or () if level is not None)

    @property
    def types(self) -> frozenset[type]:
        """Python types of the values; 2.0 is a whole number in JSON."""
        if self.spec.dtype == "int64":
            return frozenset({int, float})
        return frozenset({bool if self.spec.dtype == "bool" else str})

    def json_type(self) -> dict[str, Any]:
        kind = {"bool": "boolean", "int64": "integer"}.get(self.spec.dtype, "string")
        levels = list(self.levels)
        return {"type": kind, **({"enum": levels} if levels and not self.any_value else {})}

    def fault(self, value: Any) -> str | None:
        if type(value) not in self.types or (isinstance(value, float) and value % 1):
            noun = {"bool": "true or false", "int64": "a whole number"}.get(self.spec.dtype, "text")
            return f"must be {noun}, got {value!r}"
        if not self.any_value and self.levels and value not in self.levels:
            return f"must be one of: {listing(self.levels, SHOWN_LEVELS)}; got {value!r}"
        return None

    def example(self) -> Any:
        return next(iter(self.levels), True if self.spec.dtype == "bool" else "")


def to_days(text: str) -> float | None:
    """Days since 1970, as the preprocessor counts them; None where the text is no date.

    >>> to_days("1970-01-02T12:00")
    1.5
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.upper())
        return (moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)) / _DAY
    except (ValueError, OverflowError):
        return None


RULES: Mapping[str, type[Number] | type[Date] | type[Category]] = {
    "number": Number,
    "date": Date,
    "category": Category,
    "text": Category,
}


def rules_of(columns: Sequence[ColumnSpec], any_value: bool = False) -> dict[str, Rule]:
    """Column name -> its rule.

    Args:
        columns: what the model reads.
        any_value: levels and limits of the schema do not bind; types and gaps still do.
    """
    return {spec.name: RULES[spec.kind](spec, any_value) for spec in columns}


def faults_of_row(
    row: Any, number: int, columns: Sequence[ColumnSpec], rules: Mapping[str, Rule]
) -> list[Fault]:
    """Everything that is wrong with one row; other fields than the model's are left out."""
    if not isinstance(row, dict):
        return [Fault("a row must be an object, column name -> value", number)]
    faults = []
    for spec in columns:
        if spec.name not in row:
            hint = "; null says that it is missing" if spec.nullable else ""
            faults.append(Fault(f"is not there{hint}", number, spec.name))
            continue
        value = row[spec.name]
        if value is None:
            message = None if spec.nullable else "must not be null"
        else:
            message = rules[spec.name].fault(value)
        if message:
            faults.append(Fault(message, number, spec.name))
    return faults
