"""How text stands for the values of a column, where that is not the plain way.

It is found once from the whole column, frozen in its schema entry, and travels with the model:
training, `layerline predict` and the server read the same forms with the same code.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Decimal = Literal[".", ","]
Thousands = Literal["", ",", ".", "'", " "]
DateForm = Literal[
    "iso",
    "year_first",
    "day_first",
    "month_first",
    "short_year_first",
    "month",
    "unix_seconds",
    "unix_milliseconds",
    "spreadsheet_days",
    "yyyymmdd",
]
# How a date may be given in fetch.options.dates, and the forms that bare numbers have.
DATE_FORMS: tuple[DateForm, ...] = (
    "year_first",
    "day_first",
    "month_first",
    "short_year_first",
    "month",
    "unix_seconds",
    "unix_milliseconds",
    "spreadsheet_days",
    "yyyymmdd",
)
NUMBERED: tuple[DateForm, ...] = (
    "unix_seconds",
    "unix_milliseconds",
    "spreadsheet_days",
    "yyyymmdd",
)
_DATES_IN_WORDS: Mapping[DateForm, str] = {
    "year_first": "dates",
    "day_first": "dates, the day first",
    "month_first": "dates, the month first",
    "short_year_first": "dates, a year of two digits first",
    "month": "months, each as its first day",
    "unix_seconds": "dates, in seconds since 1970",
    "unix_milliseconds": "dates, in milliseconds since 1970",
    "spreadsheet_days": "dates, in days as spreadsheets count them",
    "yyyymmdd": "dates, as the digits of year, month and day",
}


@dataclass(frozen=True)
class Written:
    """The form of a column's text.

    Attributes:
        decimal: the mark before the decimals.
        thousands: the mark between groups of three digits; a blank stands for every kind of blank,
            an apostrophe for every kind of apostrophe.
        unit: what stands before or after each number, such as `€` or `m²`.
        dates: the order of a date's parts, or what a bare number counts.
    """

    decimal: Decimal = "."
    thousands: Thousands = ""
    unit: str = ""
    dates: DateForm = "iso"

    def describe(self) -> str:
        """The form in words, for a note."""
        if self.dates != "iso":
            return _DATES_IN_WORDS[self.dates]
        return f"numbers{self.marks}"

    @property
    def marks(self) -> str:
        """What is special about the numbers: ` with decimal mark ','`."""
        parts = []
        if self.decimal != "." or self.thousands:
            parts.append(f"decimal mark {self.decimal!r}")
        if self.thousands:
            parts.append(f"thousands sign {self.thousands!r}")
        if self.unit:
            parts.append(f"unit {self.unit}")
        return f" with {' and '.join(parts)}" if parts else ""

    def to_dict(self) -> dict[str, Any]:
        """What is not plain."""
        return {key: value for key, value in asdict(self).items() if value != getattr(PLAIN, key)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Written":
        """The inverse of `to_dict`."""
        return cls(**state)


PLAIN = Written()
