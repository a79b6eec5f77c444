"""What a column of text is, where it is not plainly numbers, dates or truth values.

`ColumnForms` looks at all values of one column; `settle` decides all columns of a table together:
where a column alone could be read in two ways (`1,234`, `03/04/2024`), the others or an option
decide, and otherwise the user is asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns.date_forms import DateForms
from layerline.columns.number_forms import NumberForms
from layerline.columns.truth_words import WORD_PAIRS
from layerline.columns.written import DateForm, Decimal, Written

# Shapes that need no closer look: they are most of a column, and there may be millions of them.
_WHOLE = r"^[+-]?(?:0|[1-9][0-9]*)$"
_WORDS = frozenset(word for pair in WORD_PAIRS for word in pair) | {"1", "0"}
_SURE = {
    mark: rf"^[+-]?(?:0|[1-9][0-9]*){mark}(?:[0-9]{{0,2}}|[0-9]{{4,}})$" for mark in (",", r"\.")
}


class Choices(NamedTuple):
    """What the user chose for a table; it decides what the values leave open.

    Attributes:
        decimal: the decimal mark.
        dates: a form for all dates that need one.
        dates_of: a form for single columns, which binds.
        targets: whose words for true and false are classes, and stay text.
    """

    decimal: Decimal | None = None
    dates: DateForm | None = None
    dates_of: Mapping[str, DateForm] = {}
    targets: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        decimal: Decimal | None,
        dates: DateForm | Mapping[str, DateForm] | None,
        target: str | tuple[str, ...] | None,
    ) -> "Choices":
        """From the options of the source `files`."""
        targets = (target,) if isinstance(target, str) else target or ()
        if dates is None or isinstance(dates, str):
            return cls(decimal, dates, {}, targets)
        return cls(decimal, None, dates, targets)


UNDECIDED = Choices()


class Ambiguous(NamedTuple):
    """A column that can be read in two ways: the question, and which option answers it."""

    column: str
    question: str
    option: str
    answers: tuple[str, str]


@dataclass
class ColumnForms:
    """All values of one column."""

    numbers: NumberForms = field(default_factory=NumberForms)
    dates: DateForms = field(default_factory=DateForms)
    words: set[str] = field(default_factory=set)

    def add(self, plain: pa.ChunkedArray) -> None:
        """Look at more fields, without blanks around them and with gaps as null."""
        values = plain.drop_null()
        if not len(values) or not self.is_possible:
            return
        if self.numbers.is_possible:
            self.numbers.add(self._unusual(values))
        distinct = (
            values.unique().to_pylist() if self.dates.is_possible or self._may_be_truth else []
        )
        if self.dates.is_possible:
            self.dates.add(distinct[:10])  # most text is clearly not a date
            if self.dates.is_possible:
                self.dates.add(distinct[10:])
        if self._may_be_truth:
            self.words |= {word.lower() for word in distinct[:100]}

    def merge(self, later: "ColumnForms") -> None:
        """Add what was found in the rows that follow."""
        self.numbers.merge(later.numbers)
        self.dates.merge(later.dates)
        self.words |= later.words

    def _unusual(self, values: pa.ChunkedArray) -> list[str]:
        """The distinct values that have no simple shape; one of each such shape stays."""
        chosen: list[str] = []
        for pattern in (_WHOLE, *_SURE.values()):
            fits = pc.match_substring_regex(values, pattern)
            if pc.any(fits).as_py():
                chosen.append(values.filter(fits)[0].as_py())
                values = values.filter(pc.invert(fits))
        return [*chosen, *values.unique().to_pylist()]

    @property
    def _may_be_truth(self) -> bool:
        return self.words <= _WORDS

    @property
    def is_possible(self) -> bool:
        """Whether the column may still be more than text."""
        return self.numbers.is_possible or self.dates.is_possible or self._may_be_truth

    @property
    def is_truth(self) -> bool:
        """Whether both words of a pair are there, and no word that is in none."""
        return self._may_be_truth and any(self.words >= set(pair) for pair in WORD_PAIRS)


class Settled(NamedTuple):
    """What a column is: its form, and whether it is whole numbers, decimals, dates or truths."""

    type: pa.DataType
    written: Written | None = None


def settle(
    columns: Mapping[str, ColumnForms], choices: Choices
) -> tuple[dict[str, Settled], list[Ambiguous]]:
    """What each column is that is more than text, and the columns that cannot be decided.

    Args:
        columns: that are text unless they have a form.
        choices: of the user.
    """
    found: dict[str, Settled] = {}
    questions: list[Ambiguous] = []
    decimal = choices.decimal or decimal_of(columns.values())
    proven = {forms.dates.form for forms in columns.values()} & {"day_first", "month_first"}
    others_dates = proven.pop() if len(proven) == 1 else None
    for name, forms in columns.items():
        if forms.is_truth and name in choices.targets:
            continue
        usual = _usual_dates(forms.dates, choices.dates, others_dates)
        chosen = choices.dates_of.get(name, usual)
        answer = _settle_one(name, forms, decimal, chosen)
        if isinstance(answer, Ambiguous):
            questions.append(answer)
        elif answer is not None:
            found[name] = answer
    return found, questions


def _usual_dates(
    dates: DateForms, chosen: DateForm | None, others: DateForm | None
) -> DateForm | None:
    """The form of a column that the user did not name, chosen for all or shown by the others."""
    if dates.looks_short:
        return chosen
    # Nearly every 31.12.24 could begin with a year, too.
    is_for_others = chosen == "short_year_first" and bool(dates.possible)
    return others if chosen is None or is_for_others else chosen


def have_one_form(values: list[str]) -> bool:
    """Whether one form of numbers, dates or truth values fits all of these texts."""
    forms = ColumnForms()
    forms.add(pa.chunked_array([pa.array(values, pa.string())]))
    return bool(forms.is_possible and settle({"": forms}, Choices(".", "day_first"))[0])


def decimal_of(columns: Iterable[ColumnForms]) -> Decimal | None:
    """The decimal mark that columns prove; None when they prove none, or both."""
    marks = {forms.numbers.decimal for forms in columns if forms.numbers.is_possible} - {None}
    return marks.pop() if len(marks) == 1 else None


def _settle_one(
    name: str, forms: ColumnForms, decimal: Decimal | None, dates: DateForm | None
) -> Settled | Ambiguous | None:
    if forms.is_truth:
        return Settled(pa.bool_())
    if forms.dates.is_possible:
        form = dates if forms.dates.allows(dates) else forms.dates.form
        if form is not None:
            return Settled(pa.timestamp("us"), Written(dates=form))
        if forms.dates.looks_short or forms.dates.is_ambiguous:
            return _ask_date(name, forms.dates)
    if not forms.numbers.is_possible:
        return None
    if forms.numbers.example is not None and decimal is None:
        return _ask_number(name, forms.numbers.example)
    written = forms.numbers.written(decimal)
    if written is None:
        return None
    kind = pa.int64() if forms.numbers.is_whole(written) else pa.float64()
    return Settled(kind, written)


def _ask_date(name: str, dates: DateForms) -> Ambiguous:
    answers: tuple[DateForm, DateForm] = ("day_first", "month_first")
    if dates.looks_short:
        first: DateForm = "day_first" if "day_first" in dates.possible else "month_first"
        answers = (first, "short_year_first")
    words = {"day_first": "day", "month_first": "month", "short_year_first": "year"}
    one, other = (words[answer] for answer in answers)
    question = f"{dates.sample!r} can be read with the {one} first or with the {other} first"
    return Ambiguous(name, question, "dates", answers)


def _ask_number(name: str, example: str) -> Ambiguous:
    mark = "," if "," in example else "."
    whole, decimals = example.replace(mark, ""), example.replace(mark, ".")
    question = f"{example!r} can be {whole} or {decimals}"
    return Ambiguous(name, question, "decimal", (".", ","))
