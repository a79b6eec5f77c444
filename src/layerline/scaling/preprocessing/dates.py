"""Date columns: as numbers by part (year, month, ...), and as points on circles.

A circle's end is beside its beginning: December beside January, Sunday beside Monday. `Dates` is
the frozen form, `fit_dates` makes it from train rows. To add a part or a cycle: a function, and a
line in PARTS or CYCLES; to add a way to combine them: a function, and a line in DATES.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Concatenate

import numpy as np
import pandas as pd

from layerline.config import ScaleSection
from layerline.lookup import Choice, read_choices
from layerline.scaling.preprocessing.choices import chosen
from layerline.scaling.preprocessing.numbers import Numbers, Scaled, fit_values
from layerline.scaling.preprocessing.scalers import Matrix

Part = Callable[["pd.Series[pd.Timestamp]"], Matrix]


def _days(column: "pd.Series[pd.Timestamp]") -> Matrix:
    return _floats((column - pd.Timestamp(0).as_unit("us")) / pd.Timedelta(days=1))


def _hours(column: "pd.Series[pd.Timestamp]") -> Matrix:
    return _floats((column - column.dt.normalize()) / pd.Timedelta(hours=1))


def _floats(values: Any) -> Matrix:
    numbers: Matrix = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers


PARTS: dict[str, Part] = {
    "days": _days,  # since 1970, with the time of day as a fraction
    "year": lambda column: _floats(column.dt.year),
    "month": lambda column: _floats(column.dt.month),
    "day": lambda column: _floats(column.dt.day),
    "weekday": lambda column: _floats(column.dt.day_of_week),  # Monday is 0
    "hour": _hours,
}
CYCLES: dict[str, Part] = {  # from 0 to 1
    "year": lambda column: (_floats(column.dt.day_of_year) - 1) / 366,
    "week": lambda column: _floats(column.dt.day_of_week) / 7,
    "day": lambda column: _hours(column) / 24,
}


@dataclasses.dataclass(frozen=True)
class Dates:
    """One date column: P parts as numbers, then cosine and sine of each cycle; a gap is (0, 0)."""

    name: str
    parts: Numbers  # its names are those of PARTS; its indicator, if any, is of the first
    cycles: tuple[str, ...] = ()

    def apply(self, column: pd.Series) -> Matrix:
        """(B,) -> (B, features)."""
        dates = plain_dates(column)
        blocks = [self.parts.apply_values(part_values(dates, self.parts.names))]
        for cycle in self.cycles:
            angle = 2 * math.pi * CYCLES[cycle](dates)[:, None]
            blocks.append(np.nan_to_num(np.hstack([np.cos(angle), np.sin(angle)])))
        return np.hstack(blocks)

    @property
    def features(self) -> list[str]:
        parts = [f"{self.name} {part}" for part in self.parts.names]
        gaps = [f"{self.name} is missing"] if self.parts.indicators else []
        cycles = [f"{self.name} {way} of {c}" for c in self.cycles for way in ("cosine", "sine")]
        return [*parts, *gaps, *cycles]

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        return {"name": self.name, "parts": self.parts.to_json(), "cycles": self.cycles}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Dates":
        """The inverse of `to_json`."""
        return cls(state["name"], Numbers.from_json(state["parts"]), tuple(state["cycles"]))


def plain_dates(column: pd.Series) -> "pd.Series[pd.Timestamp]":
    """Dates without a time zone, in UTC where they had one."""
    if column.isna().all():
        return pd.Series(pd.NaT, column.index, dtype="datetime64[us]")
    return column.dt.tz_convert(None) if column.dt.tz is not None else column


def part_values(dates: "pd.Series[pd.Timestamp]", parts: tuple[str, ...]) -> Matrix:
    """(B,) -> (B, P) float64, NaN for gaps."""
    return np.stack([PARTS[part](dates) for part in parts], axis=1)


Parts = tuple[tuple[str, ...], tuple[str, ...]]  # names in PARTS, names in CYCLES


@dataclasses.dataclass(frozen=True)
class DateEncoding:
    """A line of the table: a train column (B,) and options -> the parts and cycles it becomes.

    Attributes:
        is_number: the column is treated as a number, days since 1970, among the numeric ones.
    """

    build: Callable[Concatenate[pd.Series, ...], Parts]
    is_number: bool = False


def days(column: pd.Series) -> Parts:
    """Days since 1970, the time of day as a fraction: a trend, and nothing that repeats."""
    return ("days",), ()


def parts(column: pd.Series) -> Parts:
    """Year, month, day, weekday; the hour where there are times of day."""
    return ("year", "month", "day", "weekday", *(("hour",) if _has_times(column) else ())), ()


def cyclic(column: pd.Series) -> Parts:
    """Days since 1970, and cosine and sine of the time of year, of the week, and of the day."""
    return ("days",), ("year", "week", *(("day",) if _has_times(column) else ()))


def calendar(column: pd.Series) -> Parts:
    """Days since 1970, month, weekday, and the hour where there are times: trend and season."""
    return ("days", "month", "weekday", *(("hour",) if _has_times(column) else ())), ()


def _has_times(column: pd.Series) -> bool:
    dates = plain_dates(column).dropna()
    return bool((dates != dates.dt.normalize()).any())


DATES: Mapping[str, DateEncoding] = {
    "days": DateEncoding(days, is_number=True),
    "parts": DateEncoding(parts),
    "cyclic": DateEncoding(cyclic),
    "calendar": DateEncoding(calendar),
}


def fit_dates(column: pd.Series, choice: Choice, section: ScaleSection) -> Dates:
    """Fit one date column; its parts are filled and scaled as numbers are.

    Raises:
        DataError: it has no value in any train row.
    """
    name = str(column.name)
    names, cycles = chosen(DATES, choice, "scale.dates")(column)
    values = part_values(plain_dates(column), names)
    missing = read_choices(section.missing, "median").of(name)
    numeric = read_choices(section.numeric, "standard").of(name)
    fill, transform = fit_values(values, [name] * len(names), missing, numeric)
    is_marked = section.missing_indicator and bool(np.isnan(values).any())
    scaled = (Scaled(tuple(range(len(names))), transform),)
    numbers = Numbers(names, tuple(fill.tolist()), scaled, names[:1] if is_marked else ())
    return Dates(name, numbers, cycles)
