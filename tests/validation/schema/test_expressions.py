"""The language of cross-column rules: what it says, what it refuses; never runs its text."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.validation.cross_column import broken_rows
from layerline.validation.schema.expressions import ExpressionError, parse

KINDS = {"a": "number", "b": "number", "total cost": "number", "start": "date", "end": "date"}
KINDS |= {"city": "text", "ok": "truth"}
FRAME = pd.DataFrame(
    {
        "a": [1.0, 2.0, np.nan, 4.0],
        "b": [2, 1, 3, 4],
        "total cost": [3.0, 3.0, 3.0, 9.0],
        "start": pd.to_datetime(["2024-01-01", "2024-03-01", None, "2024-01-01"]),
        "end": pd.to_datetime(["2024-02-01", "2024-02-01", "2024-02-01", "2024-01-31"]),
        "city": pd.Series(["Ulm", "Bonn", None, "ulm"], dtype="str"),
        "ok": [True, False, True, True],
    }
)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("a <= b", [1]),
        ("`total cost` == a + b", [3]),
        ("start <= end", [1]),
        ("(end - start) <= 30", [0]),
        ("start >= date('2024-01-01') and start < date('2024-02-01')", [1]),
        ("0 < a < 3 < 5", [3]),
        ("city in ['Ulm', 'Bonn']", [3]),
        ("city != 'Ulm'", [0]),
        ("not city == 'Ulm'", [0]),
        ("a not in (1, 2)", [0, 1]),
        ("ok", [1]),
        ("ok == true", [1]),
        ("not missing(a) or b == 4", [2]),
        ("missing(a) or a >= 2", [0]),
        ("a > 3 or b < 3", []),  # where a is missing, b decides; b alone breaks nothing
        ("a > 3 or b > 4", [0, 1]),
        ("a > 3 and b > 3", [0, 1, 2]),
        ("abs(a - b) < 1", [0, 1]),
        ("-a < -1.5", [0]),
        ("a / (b - b) > 0", []),  # nothing is said of what cannot be calculated
    ],
)
def test_rows_that_break_a_rule(text: str, broken: list[int]) -> None:
    assert np.flatnonzero(broken_rows(parse(text, KINDS), FRAME)).tolist() == broken


def test_whole_numbers_do_not_overflow() -> None:
    frame = pd.DataFrame({"a": [2**62], "b": [2**62]})
    assert not broken_rows(parse("a * b > a", KINDS), frame).any()
    frame = pd.DataFrame({"a": [2**60 + 1], "b": [2**60]})
    assert broken_rows(parse("a == b", KINDS), frame).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <=", "not a rule such as"),
        ("a + b", "must be true or false"),
        ("a < city", "cannot compare number with text"),
        ("a + city == 1", "cannot calculate with number and text"),
        ("a < 1 and b", "stand between what is true or false"),
        ("c < 1", "'c' is not among the columns: a, b"),
        ("a ** 9 < 1", "only arithmetic is"),
        ("a < 1e400", "is not a value of this language"),
        ("true", "names no column"),
        ("len(city) > 3", "the functions are abs"),
        ("date('tomorrow') < start", "needs a day"),
        ("missing(a + b)", "needs a column"),
        ("abs(city) == 'x'", "needs a number"),
        ("city in a", "needs a list"),
        ("city in ['a', 1]", "plain values of the kind text"),
        ("__import__('os').system('true') == 0", "Attribute is not|functions are"),
        ("().__class__ == 0", "Attribute is not part"),
        ("a.b < 1", "Attribute is not part"),
        ("a[0] < 1", "Subscript is not part"),
        ("(lambda: a)() < 1", "functions are"),
        ("[x for x in a] == 1", "ListComp is not part"),
        ("f'{a}' == 'x'", "JoinedStr is not part"),
        ("(a := 1) < 2", "NamedExpr is not part"),
        ("a < 1 " + "or a < 1 " * 100, "longer than 500"),
        ("(" * 240 + "a" + ")" * 240, "not a rule|must be true"),
    ],
)
def test_what_is_not_in_the_language_is_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        parse(text, KINDS)


WORDS = st.sampled_from([*"ab()+-*/<>=!., []'`", "and", "or", "not", "in", "date", "city", "1e9"])


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_rule_or_is_refused(text: str) -> None:
    try:
        rule = parse(text, KINDS)
    except ExpressionError:
        return
    assert broken_rows(rule, FRAME).shape == (4,)
