"""JSON rows -> a matrix of numbers and one of codes, without pandas.

The usual request is right, so whole blocks are read at once and judged by their set of types. Only
a block that does not pass is looked at value by value, to say what is wrong where.
"""

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.scaling.preprocessing.categories import MISSING
from layerline.scaling.preprocessing.numbers import to_numbers
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.serving.column_checks import Fault, Rule, faults_of_row, rules_of, to_days
from layerline.validation.schema.definitions import ColumnSpec

SHOWN_FAULTS = 20
_PLAIN = frozenset({int, float, type(None)})
_UNKNOWN = -2  # not in the schema; -1 is a level that the train rows did not have


class Refused(Exception):  # noqa: N818 (a request is, nothing failed)
    """A request breaks the schema."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


def refuse_rows(wrong: NDArray[np.bool_]) -> Refused:
    """The refusal of rows whose numbers are so large that no finite prediction follows."""
    message = "has values too large for the model: it gives no finite prediction"
    rows = np.flatnonzero(wrong)[:SHOWN_FAULTS].tolist()
    return Refused([Fault(message, row + 1) for row in rows])


class Typed(NamedTuple):
    """Rows ready for the preprocessor: numbers, then dates in days, (B, F + D); codes (B, C).

    Gaps are NaN; a code is the level's place among those of the train rows, -1 where it has none.
    """

    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]


class RowReader:
    """Reads rows of one model's columns; made once when the model is loaded."""

    def __init__(
        self, columns: Sequence[ColumnSpec], preprocessor: Preprocessor, any_value: bool = False
    ) -> None:
        by_name = {spec.name: spec for spec in columns}
        numbers = preprocessor.numbers.names if preprocessor.numbers else ()
        names = (*numbers, *(item.name for item in preprocessor.dates))
        numeric = [by_name[name] for name in names]
        self.columns = tuple(columns)
        self.rules = rules_of(columns, any_value)
        self._names = names
        self._plain = [i for i, s in enumerate(numeric) if s.kind != "date" and s.dtype != "bool"]
        self._special = [
            (i, spec, "date" if spec.kind == "date" else "bool")
            for i, spec in enumerate(numeric)
            if i not in self._plain
        ]
        self._take_plain = _getter([names[i] for i in self._plain])
        self._limits = _Limits(numeric, any_value)
        self._categories = [
            _Codes(by_name[c.name], c.levels, any_value, self.rules[c.name])
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
                if not any(_UNKNOWN in column for column in columns):
                    return Typed(numbers, _stack(columns, len(rows)))
        except (KeyError, TypeError, ValueError, OverflowError):
            pass  # told below, with row and field
        raise Refused(self._faults(rows))

    def _numbers(self, rows: Sequence[Any]) -> NDArray[np.float64] | None:
        flat = list(itertools.chain.from_iterable(map(self._take_plain, rows)))
        if not _PLAIN.issuperset(map(type, flat)):
            return None
        block = np.array(flat, dtype=np.float64).reshape(len(rows), len(self._plain))
        if not self._special:
            return block
        numbers = np.empty((len(rows), len(self._names)))
        numbers[:, self._plain] = block
        for position, spec, kind in self._special:
            numbers[:, position] = [_SPECIAL[kind](row[spec.name]) for row in rows]
        return numbers

    def read_frame(self, frame: pd.DataFrame) -> Typed:
        """Typed columns, as `registry.inputs.read_columns` gives them -> arrays.

        Raises:
            Refused: naming row and field of what breaks the schema.
        """
        numbers = to_numbers(frame, self._names)
        codes = _stack([c.of_column(frame[c.name]) for c in self._categories], len(frame))
        faults = self._limits.faults(numbers, frame)
        for position, category in enumerate(self._categories):
            for row in np.flatnonzero(codes[:, position] == _UNKNOWN)[:SHOWN_FAULTS]:
                faults.append(category.fault(frame[category.name].iloc[row], int(row)))
        if faults:
            raise Refused(sorted(faults, key=lambda fault: fault.row or 0)[:SHOWN_FAULTS])
        return Typed(numbers, codes)

    def _faults(self, rows: Sequence[Any]) -> list[Fault]:
        faults: list[Fault] = []
        for number, row in enumerate(rows, start=1):
            faults += faults_of_row(row, number, self.columns, self.rules)
            if len(faults) >= SHOWN_FAULTS:
                break
        # Two judges must agree; where they do not, that is a defect, and never a prediction.
        assert faults, "the rows were refused without a reason"
        return faults[:SHOWN_FAULTS]


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


def _date(value: Any) -> float:
    if value is None:
        return float("nan")
    days = to_days(value)
    if days is None:
        raise ValueError(value)
    return days


def _truth(value: Any) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, bool):
        raise TypeError(value)
    return float(value)


_SPECIAL: Mapping[str, Callable[[Any], float]] = {"date": _date, "bool": _truth}


class _Limits:
    """The schema's limits of all number columns, judged at once."""

    def __init__(self, specs: Sequence[ColumnSpec], any_value: bool) -> None:
        def limit(value: float | None, otherwise: float) -> float:
            return otherwise if any_value or value is None else value

        self._specs = specs
        # The largest finite float: infinity is outside, whatever the schema says.
        largest = float(np.finfo(np.float64).max)
        self._low = np.array([limit(spec.minimum, -largest) for spec in specs])
        self._high = np.array([limit(spec.maximum, largest) for spec in specs])
        self._whole = np.array([spec.dtype == "int64" for spec in specs], dtype=bool)
        self._gaps_allowed = np.array([spec.nullable for spec in specs], dtype=bool)

    def hold(self, numbers: NDArray[np.float64]) -> bool:
        """Whether every value is within its column's limits."""
        inside = (numbers >= self._low) & (numbers <= self._high)  # a gap is not
        if inside.all() and not self._whole.any():
            return True
        return not self._broken(numbers).any()

    def _broken(self, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        gaps = np.isnan(numbers)
        inside = (numbers >= self._low) & (numbers <= self._high)
        uneven = self._whole & (np.floor(numbers) != numbers)
        return np.where(gaps, ~self._gaps_allowed, ~inside | uneven)

    def faults(self, numbers: NDArray[np.float64], frame: pd.DataFrame) -> list[Fault]:
        """What is wrong, the first rows first."""
        found = np.argwhere(self._broken(numbers))[:SHOWN_FAULTS]
        return [self._fault(float(numbers[row, at]), int(row), int(at)) for row, at in found]

    def _fault(self, value: float, row: int, position: int) -> Fault:
        spec = self._specs[position]
        rule = rules_of([spec])[spec.name]
        message = "must not be missing" if np.isnan(value) else rule.fault(value)
        return Fault(message or f"must be valid, got {value!r}", row + 1, spec.name)


class _Codes:
    """Values of one categorical column -> positions among the levels of the train rows."""

    def __init__(
        self, spec: ColumnSpec, trained: Sequence[Any], any_value: bool, rule: Rule
    ) -> None:
        self.name = spec.name
        self._spec, self._rule = spec, rule
        trained_at = {level: position for position, level in enumerate(trained)}
        index: dict[Any, int] = dict.fromkeys((spec.levels or ()), -1)
        index.update((level, at) for level, at in trained_at.items() if level is not MISSING)
        index.pop(None, None)
        if spec.nullable:
            index[None] = trained_at.get(MISSING, -1)
        self._index = index
        self._otherwise = -1 if any_value or not spec.levels else _UNKNOWN
        types: Mapping[str, set[type]] = {"bool": {bool}, "int64": {int, float}}
        self._types = frozenset({*types.get(spec.dtype, {str}), type(None)})

    def of_rows(self, rows: Sequence[Any]) -> list[int]:
        """(B,) codes; raises TypeError for a value of another type."""
        values = [row[self.name] for row in rows]
        return self.of_values(values)

    def of_values(self, values: Sequence[Any]) -> list[int]:
        # By type first: True and 1 are equal, and find the same entry of a dict.
        if not self._types.issuperset(map(type, values)):
            raise TypeError(self.name)
        get, otherwise = self._index.get, self._otherwise
        codes = [get(value, otherwise) for value in values]
        if otherwise != _UNKNOWN:
            self._require_even(values)
        return codes

    def _require_even(self, values: Sequence[Any]) -> None:
        for value in values:
            if (value is None and not self._spec.nullable) or (
                isinstance(value, float) and value % 1
            ):
                raise ValueError(value)

    def of_column(self, column: pd.Series) -> list[int]:
        """(B,) codes of a typed column; gaps are None, NaN or NaT there."""
        plain = column.astype(object)
        values = plain.where(column.notna(), None).tolist()
        get, otherwise = self._index.get, self._otherwise
        gap = self._index.get(None, _UNKNOWN)
        return [gap if value is None else get(value, otherwise) for value in values]

    def fault(self, value: Any, row: int) -> Fault:
        if pd.isna(value):
            return Fault("must not be missing", row + 1, self.name)
        if isinstance(value, float) and self._spec.dtype == "bool" and value in (0.0, 1.0):
            value = bool(value)
        return Fault(self._rule.fault(value) or f"got {value!r}", row + 1, self.name)
