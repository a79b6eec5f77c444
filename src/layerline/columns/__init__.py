"""Columns: what one value means, the same wherever it comes from.

spec.py            what one column must be
written.py         the form of a column's text
kinds.py           the table of kinds
number.py          numbers, whole or decimal
truth.py           true or false
date.py            dates and times
category.py        one of the levels
text.py            free text
number_forms.py    numbers as people write them
date_forms.py      dates as people write them
numbered_dates.py  dates as bare numbers
row_names.py       numbers that name the rows
truth_words.py     words for true and false
missing.py         words for a missing value
arrays.py          typed arrays, and carriers of values
cast.py            any column into its spec's type
survey.py          the type of a text column
forms.py           the form of a text column
convert.py         text fields into their type
judge.py           rows that break their spec
"""
