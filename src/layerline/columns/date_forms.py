"""Dates as people write them: day or month first, month names, AM and PM, offsets and zones.

`read_form` turns text of a known form into timestamps; `DateForms` finds the form from all values
of a column, and is ambiguous where day and month could change places in every one of them.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerline.columns.numbered_dates import Ints, calendar_days
from layerline.columns.written import DateForm

_MONTHS = (
    "jan january januar janvier enero gennaio ene genn",
    "feb february februar février fevrier febrero febbraio fév fev févr",
    "mar march märz maerz mars marzo mär mrz",
    "apr april avril abril aprile avr abr",
    "may mai mayo maggio mag",
    "jun june juni juin junio giugno giu",
    "jul july juli juillet julio luglio juil lug",
    "aug august août aout agosto aoû ago",
    "sep sept september septembre septiembre settembre set",
    "oct october oktober octobre octubre ottobre okt ott",
    "nov november novembre noviembre",
    "dec december dezember décembre decembre diciembre dicembre dez déc dic",
)
_NAMES = [name for names in _MONTHS for name in names.split()]
_NUMBERS = np.array([i + 1 for i, names in enumerate(_MONTHS) for _ in names.split()])
_Y, _M, _D = "(?P<y>[0-9]{4})", "(?P<m>[0-9]{1,2})", "(?P<d>[0-9]{1,2})"
_SHORT_Y = "(?P<y>[0-9]{4}|[0-9]{2})"
# Any letters; \p{L} would take a hundred times as long to compile. The month is looked up.
_NAME = r"(?P<n>[^\x00-@]{3,10})\.?"
_WEEKDAY = r"(?:[^\x00-@]{2,10}\.?,? )?"
_SEP = "[-./]"
# Hours ahead of UTC: those of RFC 822 and of Europe. Other letters mean several zones (IST).
_ZONES = {
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_CLOCK = (
    r"(?:(?:[Tt]|,? +)(?P<h>[0-9]{1,2}):(?P<i>[0-9]{2})"
    r"(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r"(?: ?(?P<p>[AaPp])\.?[Mm]\.?)?"
    rf"(?: ?(?P<z>[Zz]|{'|'.join(_ZONES)}|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)"
    r"(?:\[[A-Za-z_/+-]+\])?)?)?$"
)
_YEAR_FIRST = rf"^{_Y}{_SEP}{_M}{_SEP}{_D}{_CLOCK}"
_NAMED = (
    rf"^{_WEEKDAY}{_D}(?:st|nd|rd|th|\.)?[- ./]*(?:of )?{_NAME}[- ./,]*{_SHORT_Y}{_CLOCK}",
    rf"^{_WEEKDAY}{_NAME}[- ]{_D}(?:st|nd|rd|th)?,? *[- ]?{_Y}{_CLOCK}",
    rf"^{_Y}[- ]{_NAME}[- ]{_D}{_CLOCK}",
)
_SHORT = re.compile(rf"([0-9]{{2}}){_SEP}[0-9]{{2}}{_SEP}([0-9]{{2}})(?![0-9])")
# Where the last part of 23-01-31 takes as many values as a month has days, and the first but few.
_MANY, _FEW = 20, 10
_PATTERNS: dict[DateForm, tuple[str, ...]] = {
    "year_first": (_YEAR_FIRST, *_NAMED),
    "day_first": (_YEAR_FIRST, rf"^{_D}{_SEP}{_M}{_SEP}{_SHORT_Y}{_CLOCK}", *_NAMED),
    "month_first": (_YEAR_FIRST, rf"^{_M}[-/]{_D}[-/]{_SHORT_Y}{_CLOCK}", *_NAMED),
    "short_year_first": (_YEAR_FIRST, rf"^(?P<y>[0-9]{{2}}){_SEP}{_M}{_SEP}{_D}{_CLOCK}"),
    "month": (
        rf"^{_Y}{_SEP}{_M}$",
        rf"^{_M}[-/]{_Y}$",
        rf"^{_NAME}[- ]?{_Y}$",
        rf"^{_NAME}[-'\x{{2019}}](?P<y>[0-9]{{2}})$",  # Apr-24, as spreadsheets show a month
        rf"^{_Y}[- ]{_NAME}$",
    ),
}


def read_form(plain: pa.ChunkedArray, form: DateForm) -> NDArray[Any]:
    """Plain fields -> (B,) datetime64[us], NaT where they are not written in the form."""
    found = np.full(len(plain), np.datetime64("NaT", "us"))
    text = plain.combine_chunks() if isinstance(plain, pa.ChunkedArray) else plain
    places = np.flatnonzero(text.is_valid().to_numpy(zero_copy_only=False))
    for pattern in _PATTERNS.get(form, ()):
        if not len(places):
            break
        parts = pc.extract_regex(text.take(pa.array(places)), pattern)
        fits = parts.is_valid().to_numpy(zero_copy_only=False)
        if fits.any():
            found[places[fits]] = _moments(parts.filter(pa.array(fits)))
            places = places[~fits]
    return found


def are_dates(values: list[str]) -> NDArray[np.bool_]:
    """(B,) which values are dates in any form, each by itself."""
    text = pa.chunked_array([pa.array(values, pa.string())])
    found = np.zeros(len(values), dtype=np.bool_)
    for form in _PATTERNS:
        found |= ~np.isnat(read_form(text, form))
    return found


def _moments(parts: pa.StructArray) -> NDArray[Any]:
    names = {field.name for field in parts.type}

    def whole(name: str, otherwise: int) -> Ints:
        if name not in names:
            return np.full(len(parts), otherwise, dtype=np.int64)
        text = parts.field(name)
        filled = pc.if_else(pc.equal(text, ""), str(otherwise), text)
        values: Ints = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return values

    year, day = whole("y", 1970), whole("d", 1)
    if "y" in names:  # two digits: 69 to 99 are of the last century, as POSIX has it
        short = pc.utf8_length(parts.field("y")).to_numpy(zero_copy_only=False) == 2
        year = np.where(short, year + np.where(year < 69, 2000, 1900), year)
    month = whole("m", 1) if "n" not in names else _named_months(parts.field("n"))
    days, valid = calendar_days(year, month, day)
    micros, in_day = _clock(parts, names, whole)
    moments = days.astype("datetime64[us]") + micros
    moments[~(valid & in_day)] = np.datetime64("NaT")
    return moments


def _named_months(names: pa.Array) -> Ints:
    at = pc.index_in(pc.utf8_lower(names), value_set=pa.array(_NAMES))
    places = at.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(places < 0, 0, _NUMBERS[places])


def _clock(parts: pa.StructArray, names: set[str], whole: Any) -> tuple[Any, Any]:
    """(microseconds since midnight less the offset, whether there is such a time)."""
    if "h" not in names:
        return np.zeros(len(parts), "timedelta64[us]"), np.ones(len(parts), dtype=bool)
    hour, minute, second = whole("h", 0), whole("i", 0), whole("s", 0)
    half = np.array(pc.utf8_lower(parts.field("p")).to_pylist(), dtype=object)
    is_half, is_pm = half != "", half == "p"
    in_day = np.where(is_half, (hour >= 1) & (hour <= 12), hour <= 23)
    in_day = in_day & (minute <= 59) & (second <= 59)
    hour = np.where(is_half, hour % 12 + 12 * is_pm, hour)
    digits = pc.utf8_slice_codeunits(pc.utf8_rpad(parts.field("f"), 6, "0"), 0, 6)
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000
    micros = micros + digits.cast(pa.int64()).to_numpy(zero_copy_only=False)
    offsets = np.array([_offset(zone) for zone in parts.field("z").to_pylist()], dtype=np.int64)
    in_day &= np.abs(offsets) < 24 * 60
    return (micros - offsets * 60_000_000).astype("timedelta64[us]"), in_day


def _offset(zone: str) -> int:
    """Minutes ahead of UTC."""
    found = re.fullmatch("([+-])([0-9]{2}):?([0-9]{2})?", zone)
    if found is None:
        return _ZONES.get(zone, 0) * 60
    minute = int(found[3] or 0)
    minutes = int(found[2]) * 60 + minute if minute < 60 else 24 * 60
    return -minutes if found[1] == "-" else minutes


@dataclass
class DateForms:
    """Which forms all values of a column can have; a value that shows each is kept."""

    possible: dict[DateForm, None] = field(
        default_factory=lambda: dict.fromkeys(("year_first", "day_first", "month_first", "month"))
    )
    sample: str = ""
    may_have_short_years: bool = True  # 23-01-31 is 2023, where the user says so
    _first: set[str] = field(default_factory=set)
    _last: set[str] = field(default_factory=set)

    def add(self, values: list[str]) -> None:
        """Look at more distinct values, none of them missing."""
        if not values:
            return
        text = pa.chunked_array([pa.array(values, pa.string())])
        self.sample = self.sample or values[0]
        for form in list(self.possible):
            if np.isnat(read_form(text, form)).any():
                del self.possible[form]
        if self.may_have_short_years:
            found = [_SHORT.match(value) for value in values]
            self._first |= {parts[1] for parts in found if parts is not None}
            self._last |= {parts[2] for parts in found if parts is not None}
            self.may_have_short_years = not np.isnat(read_form(text, "short_year_first")).any()

    def merge(self, later: "DateForms") -> None:
        """Add what later values show."""
        self.possible = {form: None for form in self.possible if form in later.possible}
        self.sample = self.sample or later.sample
        self.may_have_short_years &= later.may_have_short_years
        self._first |= later._first
        self._last |= later._last

    @property
    def is_possible(self) -> bool:
        return bool(self.possible) or self.may_have_short_years

    def allows(self, form: DateForm | None) -> bool:
        """Whether every value is written in the form."""
        is_short = form == "short_year_first" and self.may_have_short_years
        return is_short or form in self.possible

    @property
    def looks_short(self) -> bool:
        """Whether the first part is more likely a year of two digits than a day or a month."""
        is_open = self.may_have_short_years and bool(self.possible.keys() - {"year_first"})
        return is_open and len(self._first) <= _FEW and len(self._last) >= _MANY

    @property
    def form(self) -> DateForm | None:
        """The form that the values prove; None when they prove none."""
        if self.is_ambiguous or self.looks_short or not self.possible:
            return None
        return next(iter(self.possible))

    @property
    def is_ambiguous(self) -> bool:
        """Whether day and month may change places in every value."""
        both = "day_first" in self.possible and "month_first" in self.possible
        return both and "year_first" not in self.possible
