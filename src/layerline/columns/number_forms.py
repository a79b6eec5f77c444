"""Numbers as people write them: decimal commas, thousands signs, units, signs of every kind.

`to_plain` turns text of a known form into plain decimals. `NumberForms` finds the form from all
values of a column; it is decided where one value can mean one number only (`1.234,5`, `12,50`),
and ambiguous where none can (`1,234` may be 1234 or 1.234).
"""

import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerline.columns.written import Decimal, Thousands, Written

_BEFORE = r"[^0-9.,+-]+\.|[^0-9.,+-]*?"
_BLANKS = "[ \u00a0\u2007\u2009\u202f]"
_APOSTROPHES = "['\u2019]"
_MINUS = "[\u2212\u2010\u2011\u2013\ufe63\uff0d]"
_CURRENCIES = (
    "€ $ £ ¥ ₹ ₽ ₩ ₺ zł Kč kr Ft EUR USD GBP CHF JPY CNY INR SEK NOK DKK PLN CZK HUF AUD CAD RUB "
    "KRW TRY BRL MXN SGD HKD TWD NZD RON BGN ILS THB US$ A$ C$ R$ NT$ HK$ NZ$ S$ Fr Rs "
    "kr. Fr. Rs. R руб"
)
_MEASURES = (
    "% ‰ ° °C °F K mm cm dm m km in ft mi yd mm² cm² m² km² m2 km2 ha a m³ m3 cm³ l L ml cl dl "
    "mg g kg t lb lbs oz ms s sec min h hrs d W kW MW kWh MWh Wh V mV A mA Ah mAh Hz kHz MHz GHz "
    "kB KB MB GB TB km/h mph m/s bar Pa hPa kPa kcal kJ J N Nm rpm px dpi pcs Stk sqm sqft"
)
CURRENCIES = tuple(_CURRENCIES.split())
UNITS = (*CURRENCIES, *_MEASURES.split())
_CONTRADICTIONS = (
    ("decimal .", "decimal ,"),
    ("thousands .", "thousands ,"),
    ("decimal .", "thousands ."),
    ("decimal ,", "thousands ,"),
)
# Accountants' (5.00), the 5.00- of large systems, and prices without decimals: 12,- and 12.–
_NEGATIVE = rf"^\(([^()]*[0-9][^()]*)\)$|^((?:[^-].*)?[0-9])(?:-|{_MINUS})$"
_EVEN = r"([0-9])[.,][-\x{2013}\x{2014}]{1,2}($|[^0-9])"
_NUMBER = re.compile(rf"([+-]?)((?:[0-9]|[.,'\u2019]|{_BLANKS})*[0-9][.,]?)((?:[eE][+-]?[0-9]+)?)")


def to_plain(fields: pa.ChunkedArray, form: Written) -> pa.ChunkedArray:
    """Fields -> plain decimals; what is not written in the form stays as no number is written."""
    text = _without_unit(plain_signs(fields), form.unit)
    mark, group = re.escape(form.decimal), _group_of(form.thousands)
    decimals = rf"(?:{mark}[0-9]*)?(?:[eE][+-]?[0-9]+)?"
    if group:
        grouped = rf"^[+-]?(?:{_groups(group)}){decimals}$"
        is_grouped = pc.match_substring_regex(text, grouped)
        text = pc.if_else(is_grouped, pc.replace_substring_regex(text, group, ""), text)
    if form.decimal == ".":
        return text
    is_right = pc.match_substring_regex(text, r"^[^.]*$")
    text = pc.if_else(is_right, text, pa.scalar("?", pa.string()))  # a point is no decimal mark
    return pc.replace_substring(text, ",", ".")


def _groups(sign: str) -> str:
    """Digits in groups of three; behind commas also in the groups of India: 12,34,567."""
    indian = "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if sign == "," else ""
    return rf"[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{3}})+{indian}"


def plain_signs(fields: pa.ChunkedArray) -> pa.ChunkedArray:
    """Every way to write a minus sign as a hyphen before the number."""
    text = pc.replace_substring_regex(fields, _EVEN, r"\1\2")
    text = pc.replace_substring_regex(text, _NEGATIVE, r"-\1\2")
    return pc.replace_substring_regex(text, rf"^((?:[^0-9]{{0,5}})){_MINUS}", r"\1-")


def _without_unit(fields: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    if not unit:
        return fields
    mark = re.escape(unit)
    after = pc.replace_substring_regex(fields, rf"{_BLANKS}*{mark}$", "")
    return pc.replace_substring_regex(after, rf"^([+-]?){_BLANKS}*{mark}{_BLANKS}*", r"\1")


def _group_of(thousands: Thousands) -> str:
    return {"": "", " ": _BLANKS, "'": _APOSTROPHES}.get(thousands, re.escape(thousands))


@dataclass
class NumberForms:
    """What the values of a column show about the form of its numbers."""

    is_possible: bool = True
    units: set[str] = field(default_factory=set)
    evidence: dict[str, str] = field(default_factory=dict)  # what is sure -> a value that shows it
    open: dict[str, str] = field(default_factory=dict)  # a mark that may be either -> a value
    groups: set[str] = field(default_factory=set)  # blanks and apostrophes between digits
    is_fractional: bool = False  # an exponent, or a zero with a sign

    def add(self, values: list[str]) -> None:
        """Look at more distinct values, none of them missing."""
        for value in plain_signs(pa.array(values, pa.string())).to_pylist():
            if not self.is_possible:
                return
            self.is_possible = self._take(value)

    def merge(self, later: "NumberForms") -> None:
        """Add what later values show."""
        self.units |= later.units
        for found, more in ((self.evidence, later.evidence), (self.open, later.open)):
            found |= {mark: value for mark, value in more.items() if mark not in found}
        self.groups |= later.groups
        self.is_fractional |= later.is_fractional
        self.is_possible &= later.is_possible and len(self.units) <= 1

    def _take(self, value: str) -> bool:
        unit, number = split_unit(value)
        found = None if number is None else _NUMBER.fullmatch(number)
        if found is None:
            return False
        if unit or found[0].strip("+-0.,"):  # zero is zero in any unit
            self.units.add(unit)
        self.is_fractional |= bool(found[3]) or (found[1] == "-" and not found[2].strip("0"))
        return len(self.units) <= 1 and self._marks(found[2], found[3], value)

    def _marks(self, digits: str, exponent: str, value: str) -> bool:
        for kind, pattern in ((" ", _BLANKS), ("'", _APOSTROPHES)):
            if re.search(pattern, digits):
                shape = rf"[1-9][0-9]{{0,2}}(?:{pattern}[0-9]{{3}})+(?:[.,][0-9]*)?"
                if not re.fullmatch(shape, digits):
                    return False
                self.groups.add(kind)
                digits = re.sub(pattern, "", digits)
                if (mark := re.search("[.,]", digits)) is not None:
                    self.evidence.setdefault(f"decimal {mark[0]}", value)
        marks = re.findall("[.,]", digits)
        if not marks:  # more than 15 digits may have no exact float
            return not re.match("0[0-9]", digits) and len(digits) <= 15
        return self._separated(digits, marks, exponent, value)

    def _separated(self, digits: str, marks: list[str], exponent: str, value: str) -> bool:
        first, last = marks[0], marks[-1]
        whole, _, decimals = digits.rpartition(last)
        if first != last or marks.count(last) > 1:
            group = first if first != last else last
            body = whole if first != last else digits
            if last in whole and first != last:
                return False
            if not re.fullmatch(_groups(re.escape(group)), body):
                return False
            self.evidence.setdefault(f"thousands {group}", value)
            if first != last:
                self.evidence.setdefault(f"decimal {last}", value)
            return True
        if re.match("0[0-9]", whole):
            return False
        grouped = re.fullmatch("[1-9][0-9]{0,2}", whole) and len(decimals) == 3 and not exponent
        (self.open if grouped else self.evidence).setdefault(
            last if grouped else f"decimal {last}", value
        )
        return True

    @property
    def decimal(self) -> Decimal | None:
        """The decimal mark that the values prove; None when they prove none."""
        for mark, other in ((",", "."), (".", ",")):
            if f"decimal {mark}" in self.evidence or f"thousands {other}" in self.evidence:
                return mark  # type: ignore[return-value]
        return None

    def is_whole(self, written: Written) -> bool:
        """Whether no value has decimals, in this form."""
        has_decimals = f"decimal {written.decimal}" in self.evidence or written.decimal in self.open
        return not has_decimals and not self.is_fractional

    @property
    def contradiction(self) -> tuple[str, str] | None:
        """Two values that no single form can hold."""
        for one, other in _CONTRADICTIONS:
            if one in self.evidence and other in self.evidence:
                return self.evidence[one], self.evidence[other]
        return None

    @property
    def example(self) -> str | None:
        """A value that can be read in two ways, where nothing decides it."""
        return next(iter(self.open.values()), None) if self.decimal is None else None

    def written(self, decimal: Decimal | None) -> Written | None:
        """The form, with this decimal mark where the values prove none; None where none fits."""
        mark = self.decimal or decimal or "."
        other: Thousands = "," if mark == "." else "."
        if not self.is_possible or self.contradiction or len(self.groups) > 1:
            return None
        has_other = other in self.open or f"thousands {other}" in self.evidence
        if has_other and self.groups:
            return None
        group: Thousands = other if has_other else next(iter(self.groups), "")  # type: ignore
        return Written(mark, group, next(iter(self.units), ""))


def are_numbers(values: list[str]) -> NDArray[np.bool_]:
    """(B,) which values are numbers in some form, each by itself."""

    def is_number(value: str) -> bool:
        forms = NumberForms()
        forms.add([value])
        return forms.is_possible

    return np.array([is_number(value) for value in values], dtype=np.bool_)


def split_unit(value: str) -> tuple[str, str | None]:
    """(unit, number) of a text; the number is None where something else is next to it.

    A word behind a blank counts as a unit: the same one in all values of a column tells nothing.
    """
    text = re.sub(_MINUS, "-", value.strip(), count=1)
    found = re.fullmatch(rf"([+-]?){_BLANKS}*({_BEFORE}){_BLANKS}*([+-]?[0-9.,].*)", text, re.S)
    if found is None:
        return "", None
    sign, before, rest = found[1], found[2], found[3]
    tail = re.fullmatch(rf"(.*[0-9][.,]?)({_BLANKS}*)([^0-9.,]*(?:[23]|²|³|\.)?)", rest, re.S)
    blank, after = ("", "") if tail is None else tail.groups()[1:]
    number = rest if tail is None else tail[1]
    if after not in UNITS and rest[-1:] in "23":  # m2: its digit belongs to the unit
        tail = re.fullmatch(rf"(.*?[0-9.,]){_BLANKS}*((?:mm|cm|m|km)[23])", rest, re.S)
        after, number = ("", rest) if tail is None else (tail[2], tail[1])
    if before and not _is_currency(before):
        return "", None
    is_word = bool(blank) and re.fullmatch(r"[^\W\d_][^\d()]{0,20}", after)
    if after and not (is_word or after in UNITS or _is_currency(after)):
        return "", None
    if (before and after) or (sign and number[:1] in "+-"):
        return "", None
    return before or after, sign + number


def _is_currency(text: str) -> bool:
    return text in CURRENCIES or (len(text) == 1 and unicodedata.category(text) == "Sc")
