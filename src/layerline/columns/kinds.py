"""The table of kinds: all that depends on what a column holds. A new kind is a file and a line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa

from layerline.columns import category, date, number, text, truth
from layerline.columns.arrays import Read
from layerline.columns.spec import ColumnSpec, Dtype, Kind

FromSeries = Callable[[pd.Series, ColumnSpec], Read]


@dataclass(frozen=True)
class ColumnKind:
    """One kind of column.

    Attributes:
        kind, dtypes: what the schema file calls it.
        from_text, from_numbers, from_truths, from_dates: values by what carries them.
        checks: rule -> which values keep it, for values that have the right type.
        noun: what values must be, in a message about many: `must hold NOUN`.
        fault: what is wrong with one: `must be ...`.
        json_type, example: for OpenAPI and for documentation.
        infer: a first spec from values, or None where they are of another kind.
    """

    kind: Kind
    dtypes: tuple[Dtype, ...]
    from_text: Callable[[pa.ChunkedArray, ColumnSpec], Read]
    from_numbers: FromSeries
    from_truths: FromSeries
    from_dates: FromSeries
    checks: Callable[[ColumnSpec], Mapping[str, Any]]
    noun: Callable[[ColumnSpec], str]
    fault: Callable[[ColumnSpec, str, Any], str]
    json_type: Callable[[ColumnSpec, bool], dict[str, Any]]
    example: Callable[[ColumnSpec], Any]
    infer: Callable[[pd.Series, str], ColumnSpec | None]


def _line(kind: Kind, dtypes: tuple[Dtype, ...], module: ModuleType) -> ColumnKind:
    names = list(ColumnKind.__dataclass_fields__)[2:]
    return ColumnKind(kind, dtypes, **{name: getattr(module, name) for name in names})


# In the order in which a column of unknown kind is tried.
KINDS: Mapping[str, ColumnKind] = {
    "date": _line("date", ("datetime64[us]",), date),
    "truth": _line("category", ("bool",), truth),
    "number": _line("number", ("int64", "float64"), number),
    "category": _line("category", ("str", "int64"), category),
    "text": _line("text", ("str",), text),
}
_BY_DTYPE = {(line.kind, dtype): line for line in KINDS.values() for dtype in line.dtypes}


def kind_of(spec: ColumnSpec) -> ColumnKind:
    """The line of a column."""
    return _BY_DTYPE[spec.kind, spec.dtype]


def dtypes_of(kind: Kind) -> tuple[Dtype, ...]:
    """The types that columns of a kind can have in the schema file."""
    return tuple(dtype for name, dtype in _BY_DTYPE if name == kind)


def infer(column: pd.Series, name: str) -> ColumnSpec:
    """A first spec for a column whose values have one of the five types."""
    found = (line.infer(column, name) for line in KINDS.values())
    return next(spec for spec in found if spec is not None)
