"""JSON rows -> a matrix of numbers and one of codes, without pandas.

The usual request is right, so whole blocks are read at once and judged by their set of types. A
request that does not pass so is read by `layerline.columns`, which takes more forms of a value
(a number as text, for instance) and names row and field of what is wrong.
"""

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.date import to_days
from layerline.columns.judge import LOOSE
from layerline.columns.number import BEYOND_64_BITS
from layerline.columns.numbered_dates import NUMBERED_DAYS
from layerline.columns.spec import ColumnSpec
from layerline.model.refusals import TOO_LARGE
from layerline.scaling.preprocessing.numbers import to_numbers
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.serving.category_codes import UNKNOWN, CategoryCodes
from layerline.serving.column_checks import (
    SHOWN_FAULTS,
    Fault,
    frame_of,
    judge_frame,
    shape_faults,
)

_PLAIN = frozenset({int, float, type(None)})


class Refused(Exception):  # noqa: N818 (a request is, nothing failed)
    """A request breaks the schema."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


def refuse_rows(wrong: NDArray[np.bool_]) -> Refused:
    """The refusal of rows whose numbers are so large that no finite prediction follows."""
    rows = np.flatnonzero(wrong)[:SHOWN_FAULTS].tolist()
    return Refused([Fault(TOO_LARGE, row + 1) for row in rows])


class Typed(NamedTuple):
    """Rows ready for the preprocessor: numbers, then dates in days, (B, F + D); codes (B, C).

    Gaps are NaN; a code is the level's place among those of the train rows, -1 where it has none.
    """

    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]


class RowReader:
    """Reads rows of one model's columns; made once when the model is loaded.

    Args:
        columns: what the model reads.
        preprocessor: the model's.
        any_value: levels and limits of the schema do not bind; types and gaps still do.
        missing: further words for a missing value.
    """

    def __init__(
        self,
        columns: Sequence[ColumnSpec],
        preprocessor: Preprocessor,
        any_value: bool = False,
        missing: Sequence[str] = (),
    ) -> None:
        by_name = {spec.name: spec for spec in columns}
        numbers = preprocessor.numbers.names if preprocessor.numbers else ()
        names = (*numbers, *(item.name for item in preprocessor.dates))
        numeric = [by_name[name] for name in names]
        self.columns = tuple(columns)
        self._rules = LOOSE if any_value else None
        self._missing = tuple(missing)
        self._names = names
        self._plain = [i for i, spec in enumerate(numeric) if spec.kind == "number"]
        self._dates = [
            (i, spec.name, _date_reader(spec))
            for i, spec in enumerate(numeric)
            if spec.kind == "date"
        ]
        self._take_plain = _getter([names[i] for i in self._plain])
        self._limits = _Limits(numeric, any_value)
        self._categories = [
            CategoryCodes(by_name[c.name], c.levels, any_value, missing)
            for c in preprocessor.categories
        ]

    def read(self, rows: Sequence[Any]) -> Typed:
        """Rows as JSON has them -> arrays.

        Raises:
            Refused: naming row and field of what breaks the schema.
        """
        try:
            numbers = self._numbers(rows)
            if numbers is not None and self._limits.hold(numbers):
                columns = [category.of_rows(rows) for category in self._categories]
                if not any(UNKNOWN in column for column in columns):
                    return Typed(numbers, _stack(columns, len(rows)))
        except (KeyError, TypeError, ValueError, OverflowError):
            pass  # found again below, with row and field
        faults = shape_faults(rows, self.columns)
        if faults:
            raise Refused(faults)
        return self.read_frame(frame_of(rows, self.columns))

    def _numbers(self, rows: Sequence[Any]) -> NDArray[np.float64] | None:
        flat = list(itertools.chain.from_iterable(map(self._take_plain, rows)))
        if not _PLAIN.issuperset(map(type, flat)):
            return None
        block = np.array(flat, dtype=np.float64).reshape(len(rows), len(self._plain))
        if not self._dates:
            return block
        numbers = np.empty((len(rows), len(self._names)))
        numbers[:, self._plain] = block
        for position, name, read in self._dates:
            numbers[:, position] = [read(row[name]) for row in rows]
        return numbers

    def read_frame(self, frame: pd.DataFrame) -> Typed:
        """Rows that may be of any type -> arrays.

        Raises:
            Refused: naming row and field of what breaks the schema.
        """
        casts, faults = judge_frame(frame, self.columns, self._rules, self._missing)
        if faults:
            raise Refused(faults)
        typed = pd.DataFrame({name: cast.values for name, cast in casts.items()})
        codes = _stack([c.of_column(typed[c.name]) for c in self._categories], len(frame))
        return Typed(to_numbers(typed, self._names), codes)


def _stack(columns: Sequence[Sequence[int]], n_rows: int) -> NDArray[np.int64]:
    if not columns:
        return np.empty((n_rows, 0), np.int64)
    return np.array(columns, dtype=np.int64).T


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Row -> the values of these columns, in C; itemgetter of one name gives no tuple."""
    if not names:
        return lambda row: ()
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return operator.itemgetter(*names)


def _date_reader(spec: ColumnSpec) -> Callable[[Any], float]:
    """What makes days of a JSON value, or raises; forms that need more are left to the columns."""
    days_each = None if spec.written is None else NUMBERED_DAYS.get(spec.written.dates)

    def read(value: Any) -> float:
        if value is None:
            return float("nan")
        if days_each is not None and type(value) in (int, float):
            return days_each(value)
        days = to_days(value)
        if days is None:
            raise ValueError(value)
        return days

    return read


class _Limits:
    """The schema's limits of all number columns, judged at once."""

    def __init__(self, specs: Sequence[ColumnSpec], any_value: bool) -> None:
        def limit(spec: ColumnSpec, value: float | None, otherwise: float) -> float:
            binds = value is not None and not any_value and "limits" not in spec.lenient
            return value if binds and value is not None else otherwise

        # The largest finite float: infinity is outside whatever the limits are.
        largest = float(np.finfo(np.float64).max)
        self._low = np.array([limit(spec, spec.minimum, -largest) for spec in specs])
        self._high = np.array([limit(spec, spec.maximum, largest) for spec in specs])
        bounds = np.where([spec.dtype == "int64" for spec in specs], BEYOND_64_BITS, np.inf)
        self._low, self._high = (
            np.maximum(self._low, -bounds),
            np.minimum(self._high, np.nextafter(bounds, 0)),
        )
        self._any_whole = any(spec.dtype == "int64" for spec in specs)
        self._whole = np.array([spec.dtype == "int64" for spec in specs], dtype=bool)
        self._gaps_allowed = np.array([spec.nullable for spec in specs], dtype=bool)

    def hold(self, numbers: NDArray[np.float64]) -> bool:
        """Whether every value is within its column's limits."""
        inside = (numbers >= self._low) & (numbers <= self._high)  # a gap is not
        if inside.all() and not self._any_whole:
            return True
        gaps = np.isnan(numbers)
        uneven = self._whole & (np.floor(numbers) != numbers)
        return not np.where(gaps, ~self._gaps_allowed, ~inside | uneven).any()
