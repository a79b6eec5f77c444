"""Numbers as people write them: the form is found from all values, and read back exactly."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.columns import number
from layerline.columns.number import from_text
from layerline.columns.number_forms import UNITS, NumberForms
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import Written


def forms_of(*values: str) -> NumberForms:
    forms = NumberForms()
    forms.add(list(values))
    return forms


def read(values: list[str], written: Written) -> list[float]:
    spec = ColumnSpec("x", "number", "float64", written=written)
    found = from_text(pa.chunked_array([pa.array(values, pa.string())]), spec)
    assert not found.bad.any(), values
    return found.values.tolist()


@pytest.mark.parametrize(
    ("values", "written", "numbers"),
    [
        (["132,5", "7"], Written(","), [132.5, 7]),
        (["1,00", "4,00"], Written(","), [1, 4]),
        (["1.940", "102,5"], Written(",", "."), [1940, 102.5]),
        (["1.234,5", "-7"], Written(",", "."), [1234.5, -7]),
        (["1,234.5", "1,234,567"], Written(".", ","), [1234.5, 1234567]),
        (["1.234.567", "5"], Written(",", "."), [1234567, 5]),
        (["1 234", "1\N{NARROW NO-BREAK SPACE}234,5"], Written(",", " "), [1234, 1234.5]),
        (
            ["1'234.50", "1\N{RIGHT SINGLE QUOTATION MARK}000.25"],
            Written(".", "'"),
            [1234.5, 1000.25],
        ),
        (["€1,234.50", "-€5.00"], Written(".", ",", "€"), [1234.5, -5]),
        (["3,5 %", "0%"], Written(",", "", "%"), [3.5, 0]),
        (["12 m²", "7m²"], Written(unit="m²"), [12, 7]),
        (["12 m2", "7 m2"], Written(unit="m2"), [12, 7]),
        (["+28", "\N{MINUS SIGN}5"], Written(), [28, -5]),
        (["0,5", "1e3"], Written(","), [0.5, 1000]),
        (["CHF 12", "CHF 1'200"], Written(".", "'", "CHF"), [12, 1200]),
        (["(1,234.50)", "5.00"], Written(".", ","), [-1234.5, 5]),
        (["($ 5.00)", "$ 6"], Written(unit="$"), [-5, 6]),
        (["5.00-", "4"], Written(), [-5, 4]),
        (["12,-", "13,50"], Written(","), [12, 13.5]),
        (["1'200.\N{EN DASH}", "3.50"], Written(".", "'"), [1200, 3.5]),
        (["12,34,567.00", "5"], Written(".", ","), [1234567, 5]),
        (["Fr. 12.50", "Fr. 1"], Written(unit="Fr."), [12.5, 1]),
        (["5 Stk.", "1,5 Stk."], Written(",", unit="Stk."), [5, 1.5]),
        (["3 pieces", "4 pieces"], Written(unit="pieces"), [3, 4]),
        (["0", "15%"], Written(unit="%"), [0, 15]),
    ],
)
def test_a_form_is_found_and_read(values, written, numbers):
    forms = forms_of(*values)
    assert forms.written(None) == written
    assert read(values, written) == numbers


@pytest.mark.parametrize(
    "values",
    [
        ["A12"],
        ["007"],
        ["12:30"],
        ["5 €", "5 $"],
        ["12 apples", "3 pears"],
        ["12apples"],
        ["Room 5"],
        ["-5-"],
        ["(5"],
        ["1.2.3"],
        ["1,2,3"],
        ["12.34.567"],
        ["1.234,5", "1,234.5"],
        ["1 234", "1'234"],
        ["1-2"],
        ["12345678901234567"],
        ["5%", "5"],
        [","],
    ],
)
def test_other_text_has_no_form(values):
    assert forms_of(*values).written(None) is None


@pytest.mark.parametrize("value", ["1,234", "12.345", "-999,000"])
def test_what_can_be_read_in_two_ways_is_asked(value):
    forms = forms_of(value, "5")
    assert forms.example == value
    assert forms_of(value, "1.5,5".replace("1.5,5", "0,5")).example is None


@settings(max_examples=300, deadline=None)
@given(
    numbers=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
    decimal=st.sampled_from([".", ","]),
    group=st.sampled_from(["", "other", " ", "\N{NO-BREAK SPACE}", "'"]),
    unit=st.sampled_from(["", *UNITS]),
    before=st.booleans(),
)
def test_numbers_written_in_any_form_are_read_back(numbers, decimal, group, unit, before):
    """In hundredths, so that the decimals prove their mark."""
    mark = ("," if decimal == "." else ".") if group == "other" else group

    def write(number: int) -> str:
        text = f"{abs(number) / 100:,.2f}".replace(",", "\0").replace(".", decimal)
        text = text.replace("\0", mark)
        sign = "-" if number < 0 else ""
        if not unit:
            return sign + text
        return f"{sign}{unit} {text}" if before and unit in UNITS[:26] else f"{sign}{text} {unit}"

    values = [write(number) for number in numbers]
    forms = forms_of(*values)
    written = forms.written(None)
    assert written is not None, (values, forms)
    assert read(values, written) == [number / 100 for number in numbers]


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("limits", 1_700_000_600, "must be at most 1700000050"),
        ("limits", -1, "must be at least 0.3"),
        ("type", 2**63, "must be a whole number of at most 64 bits"),
        ("type", "-18446744073709551616", "must be a whole number of at most 64 bits"),
        ("type", "2.5", "must be a whole number"),
        ("type", "1,5", "must be a whole number"),
        ("type", "five", "must be a number"),
    ],
)
def test_a_refusal_has_the_limit_that_was_broken(rule, value, words) -> None:
    spec = ColumnSpec("x", "number", "int64", minimum=0.1 + 0.2, maximum=1_700_000_050.0)
    assert number.fault(spec, rule, value) == words
