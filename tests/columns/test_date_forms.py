"""Dates as people write them: the form is found from all values, and read back exactly."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.columns.date_forms import DateForms, read_form
from layerline.columns.forms import UNDECIDED, Choices, ColumnForms, settle
from layerline.columns.numbered_dates import numbered_form, read_numbered
from layerline.columns.written import Written


def forms_of(*values: str) -> DateForms:
    forms = DateForms()
    forms.add(list(values))
    return forms


def read(values: list[str], form) -> list[datetime | None]:
    found = read_form(pa.chunked_array([pa.array(values, pa.string())]), form)
    return found.tolist()


@pytest.mark.parametrize(
    ("values", "form", "dates"),
    [
        (["31/12/2024", "1/2/2024"], "day_first", [(2024, 12, 31), (2024, 2, 1)]),
        (["12/31/2024", "1/2/24"], "month_first", [(2024, 12, 31), (2024, 1, 2)]),
        (["03.04.2024"], "day_first", [(2024, 4, 3)]),
        (["2024/1/5", "2024.12.31"], "year_first", [(2024, 1, 5), (2024, 12, 31)]),
        (["31 Dec 2024", "Dec 1, 2024"], "year_first", [(2024, 12, 31), (2024, 12, 1)]),
        (["3. März 2024", "31 décembre 2024"], "year_first", [(2024, 3, 3), (2024, 12, 31)]),
        (["2024-01", "2024-12"], "month", [(2024, 1, 1), (2024, 12, 1)]),
        (["Jan 2024", "12/2024"], "month", [(2024, 1, 1), (2024, 12, 1)]),
        (["12/31/2024 11:59 PM", "1/1/2024 12:00 AM"], "month_first",
         [(2024, 12, 31, 23, 59), (2024, 1, 1)]),
        (["2024-12-31T10:00+01:00", "2024-12-31 10:00Z", "2024-12-31"], "year_first",
         [(2024, 12, 31, 9), (2024, 12, 31, 10), (2024, 12, 31)]),
        (["Tue, 31 Dec 2024 10:00:00 GMT"], "year_first", [(2024, 12, 31, 10)]),
        (["31.12.2024 10:00:00,5 -05:30"], "day_first", [(2024, 12, 31, 15, 30, 0, 500_000)]),
        (["2024-01-01 10:00 CET", "2024-07-01 10:00 CEST"], "year_first",
         [(2024, 1, 1, 9), (2024, 7, 1, 8)]),
        (["2024-01-01T10:00-05:00[America/New_York]"], "year_first", [(2024, 1, 1, 15)]),
        (["Apr-22", "Dec'23"], "month", [(2022, 4, 1), (2023, 12, 1)]),
    ],
)  # fmt: skip
def test_a_form_is_found_and_read(values, form, dates):
    assert forms_of(*values).form == form
    assert read(values, form) == [datetime(*parts) for parts in dates]


@pytest.mark.parametrize(
    "values", [["30/02/2024"], ["31/12/2024", "12/31/2024"], ["2024"], ["1.2.3"], ["soon"],
               ["2024-13-01"], ["Apr 22"], ["31 Foo 2024"], ["12/31/2024 13:00 PM"], ["10:30"]]
)  # fmt: skip
def test_other_text_has_no_form(values):
    assert forms_of(*values).form is None


SHORT_YEARS = [str(day)[2:] for day in np.datetime64("2023-01-01") + np.arange(0, 700, 3)]


def test_short_years_that_may_come_first_are_asked_whatever_other_columns_prove():
    columns = {"short": ColumnForms(), "day": ColumnForms()}
    columns["short"].add(pa.chunked_array([SHORT_YEARS]))
    columns["day"].add(pa.chunked_array([["31.12.24", "1.2.24"]]))
    found, questions = settle(columns, UNDECIDED)
    assert found["day"].written == Written(dates="day_first")
    assert [(one.column, one.answers) for one in questions] == [
        ("short", ("day_first", "short_year_first"))
    ]
    assert questions[0].question == (
        "'23-01-01' can be read with the day first or with the year first"
    )
    for form in questions[0].answers:
        found, questions_left = settle(columns, Choices(dates_of={"short": form}))
        assert found["short"].written == Written(dates=form)
        assert not questions_left
    found, _ = settle(columns, Choices(dates="short_year_first"))
    assert found["short"].written == Written(dates="short_year_first")
    assert found["day"].written == Written(dates="day_first")
    assert read(SHORT_YEARS[:2], "short_year_first") == [datetime(2023, 1, 1), datetime(2023, 1, 4)]


def test_short_years_behind_are_not_asked_and_bare_ones_before_are_text():
    assert forms_of(*(f"{d[6:]}-{d[3:5]}-{d[:2]}" for d in SHORT_YEARS)).form == "day_first"
    assert forms_of(*(f"{m:02d}-01-{y:02d}" for m in range(1, 13) for y in range(20, 25))).form is (
        None
    )  # a day and a month, as before
    assert forms_of("99-12-31", "98-01-02").form is None


def test_day_and_month_that_could_change_places_are_asked():
    forms = forms_of("03/04/2024", "11/12/2024")
    assert forms.is_ambiguous
    assert forms.form is None


DAYS = st.dates(date(1969, 1, 1), date(2068, 12, 31))
WRITE = {
    "day_first": "%d/%m/%Y", "month_first": "%m/%d/%Y", "year_first": "%Y.%m.%d",
    "short_year_first": "%y-%m-%d",
}  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(days=st.lists(DAYS, min_size=1, max_size=20), form=st.sampled_from(list(WRITE)))
def test_days_are_read_back(days, form):
    values = [day.strftime(WRITE[form]) for day in days]
    assert read(values, form) == [datetime(day.year, day.month, day.day) for day in days]


@settings(max_examples=200, deadline=None)
@given(moments=st.lists(st.datetimes(datetime(1900, 3, 1), datetime(2200, 1, 1)), min_size=1))
def test_serial_numbers_are_read_back(moments):
    moments = [moment.replace(microsecond=0) for moment in moments]
    unix = np.array([(m - datetime(1970, 1, 1)).total_seconds() for m in moments])
    assert read_numbered(unix, "unix_seconds").tolist() == moments
    assert read_numbered(unix * 1000, "unix_milliseconds").tolist() == moments
    serial = np.array([(m - datetime(1899, 12, 30)) / timedelta(days=1) for m in moments])
    for found, moment in zip(
        read_numbered(serial, "spreadsheet_days").tolist(), moments, strict=True
    ):
        assert abs(found - moment) < timedelta(milliseconds=1)


def test_digits_of_a_date_are_read() -> None:
    numbers = np.array([20240229.0, 20230229.0, 20241301.0, 2024.0, 5.5, np.inf, np.nan])
    with np.errstate(all="raise"):
        found = read_numbered(numbers, "yyyymmdd")
    assert found.tolist() == [datetime(2024, 2, 29), *[None] * 6]


DAYS_OF_2024 = np.datetime64("2024-01-01") + np.arange(0, 300, 7)


@pytest.mark.parametrize(
    ("name", "numbers", "form"),
    [
        ("day", [int(str(day).replace("-", "")) for day in DAYS_OF_2024], "yyyymmdd"),
        ("timestamp", DAYS_OF_2024.astype("datetime64[s]").astype(int), "unix_seconds"),
        ("x", DAYS_OF_2024.astype("datetime64[ms]").astype(int), "unix_milliseconds"),
        ("Datum", 45_292 + np.arange(0, 300, 7), "spreadsheet_days"),
        ("price", 45_292 + np.arange(0, 300, 7), None),
        ("population", 1_700_000_000 + np.arange(50), None),
        ("date", np.arange(50), None),
    ],
)
def test_numbers_that_look_like_dates(name, numbers, form) -> None:
    assert numbered_form(pd.Series(numbers), name) == form
