"""Dates as bare numbers: seconds, milliseconds or days since a day, or the digits of a date.

A number is only a date where the user says so; `numbered_form` finds columns to ask about.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.written import NUMBERED, DateForm

_SERIAL_ZERO = -25_569  # days from 1970 to the day 0 of spreadsheets, 1899-12-30
_SCALES: dict[DateForm, float] = {
    "unix_seconds": 1e6,
    "unix_milliseconds": 1e3,
    "spreadsheet_days": 86_400e6,
}
Ints = NDArray[np.int64]
LEAST_DISTINCT = 10  # dates that a column to ask about has
_AT_ONCE = 1 << 17  # numbers looked at
_FROM, _UNTIL = np.datetime64("1990-01-01"), np.datetime64("2040-01-01")
_NAMED_DATE = re.compile(
    r"date|datum|time|zeit|stamp|day|tag$|epoch|created|updated|fecha|jour|(?:^|[_\W])(?:ts|at|on)$",
    re.IGNORECASE,
)


def calendar_days(year: Ints, month: Ints, day: Ints) -> tuple[Any, NDArray[np.bool_]]:
    """Parts of dates -> (B,) datetime64[D], and whether there is such a day."""
    valid = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    length = (months + 1).astype("datetime64[M]").astype("datetime64[D]") - first
    valid &= day <= length.astype(np.int64)
    return first + (day - 1), valid


def read_numbered(numbers: NDArray[np.float64], form: DateForm) -> NDArray[Any]:
    """What numbers count -> (B,) datetime64[us]; NaT where they are missing or beyond the years."""
    if form == "yyyymmdd":
        whole = (numbers >= 1_01_01) & (numbers <= 9999_12_31) & (np.floor(numbers) == numbers)
        digits = np.where(whole, numbers, 0).astype(np.int64)
        days, valid = calendar_days(digits // 10_000, digits // 100 % 100, digits % 100)
        dates = days.astype("datetime64[us]")
        dates[~(whole & valid)] = np.datetime64("NaT")
        return dates
    offset = _SERIAL_ZERO * 86_400e6 if form == "spreadsheet_days" else 0.0
    micros = np.rint(numbers * _SCALES[form]) + offset
    inside = np.isfinite(micros) & (micros >= -62135596800e6) & (micros < 253402300800e6)
    dates = np.where(inside, micros, 0).astype(np.int64).astype("datetime64[us]")
    dates[~inside] = np.datetime64("NaT")
    return dates


def _days_of(form: DateForm) -> Callable[[float], float]:
    def days(number: float) -> float:
        moment = read_numbered(np.array([number], dtype=np.float64), form)[0]
        if np.isnat(moment):
            raise ValueError(number)
        return float(moment.astype(np.int64)) / 86_400e6

    return days


# One number -> days since 1970, for a server; ValueError beyond the years 1 to 9999.
NUMBERED_DAYS: Mapping[DateForm, Callable[[float], float]] = {
    form: _days_of(form) for form in NUMBERED
}


def is_numbered(form: DateForm) -> bool:
    """Whether bare numbers are dates."""
    return form in NUMBERED


def numbered_form(column: pd.Series, name: str) -> DateForm | None:
    """A form in which all numbers are dates of our time; None where they may as well be others.

    Days of a spreadsheet and seconds need a name that speaks of time.
    """
    numbers = column.dropna().to_numpy(dtype=np.float64)
    if len(np.unique(numbers[:1000])) < LEAST_DISTINCT:
        return None
    # Nearly always the first piece has a number that is none.
    pieces = [numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE)]
    for form in NUMBERED:
        if form in ("spreadsheet_days", "unix_seconds") and not _NAMED_DATE.search(name):
            continue
        if all(_are_recent(read_numbered(piece, form)) for piece in pieces):
            return form
    return None


def _are_recent(dates: NDArray[Any]) -> bool:
    return not np.isnat(dates).any() and bool(dates.min() >= _FROM and dates.max() < _UNTIL)
