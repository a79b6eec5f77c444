"""One value means one thing, whichever door it comes through."""

import dataclasses
import datetime
import math
import re
from typing import Any

import pytest
from doors import GAP, LEVELS, REFUSED, SPECS, Doors, Outcome
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from layerline.columns.missing import MISSING_WORDS

pytestmark = pytest.mark.filterwarnings("ignore:Operation with range")
FLOAT32_MAX = (2 - 2**-23) * 2.0**127  # networks compute in float32, and have no infinite answer

DIGITS = st.integers(0, 10**6).map(str)
SIGN = st.sampled_from(["", "", "", "-", "+", "--", "−"])
NUMBER = st.one_of(
    st.builds(lambda sign, digits: sign + digits, SIGN, DIGITS),
    st.builds(lambda sign, a, b: f"{sign}{a}.{b}", SIGN, DIGITS, DIGITS),
    st.builds(
        lambda a, e: f"{a}e{e}", st.sampled_from(["1", "2.5", "-7", "0"]), st.integers(-9, 9)
    ),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([str(2**63), str(2**63 - 1), str(-(2**63)), str(2**53 + 1), "1e400", "1e-400"]),
    st.sampled_from(["007", "-07", "00", "0", "-0", ".5", "5.", ".", "1,5", "1.234,5", "1 000"]),
    st.sampled_from(["(5)", "(1.5)", "5-", "-5-", "(5", "(007)"]),
    st.sampled_from(["0x10", "1_0", "1e", "inf", "-inf", "Infinity", "NAN", "-nan", "1.0", "２"]),
)
DAY = st.dates(datetime.date(1, 1, 3), datetime.date(9999, 12, 29)).map(str)
CLOCK = st.times().map(lambda time: time.isoformat())
DATE = st.one_of(
    DAY,
    st.builds(lambda day, mark, clock: day + mark + clock, DAY, st.sampled_from("T t"), CLOCK),
    st.builds(
        lambda day, clock, zone: f"{day}T{clock}{zone}",
        DAY,
        CLOCK,
        st.sampled_from(["Z", "z", "+01:00", "-0930", "+14:00", "+25:00", "-00:00", "+01", " Z"]),
    ),
    st.sampled_from(["2024", "20241231", "2024-12", "2024-02-30", "2023-02-29", "2024-02-29"]),
    st.sampled_from(["0000-01-01", "2024-W05-1", "31.12.2024", "12/31/2024", "2024-12-31T24:00"]),
    st.sampled_from(["2024-12-31T10:00Z", "2024-12-31T10:00:00.123456789", "2024-12-31T10"]),
    st.sampled_from(["0001-01-01T00:30+01:00", "9999-12-31T23:30-01:00", "2024-12-31T10:00:60Z"]),
)
WORD = st.one_of(
    st.sampled_from([*MISSING_WORDS, *LEVELS, *(f" {level} " for level in LEVELS)]),
    st.sampled_from(["true", "False", "TRUE", "yes", "No", "1", "0", "5", "new york", "\tyes"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6),
)
SPACES = st.sampled_from(["", "", "", " ", "\t", "\N{NO-BREAK SPACE}"])
TEXT = st.builds(
    lambda before, text, after: before + text + after, SPACES, NUMBER | DATE | WORD, SPACES
)


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    made: dict[str, Doors] = {}

    def make(kind: str) -> Doors:
        if kind not in made:
            made[kind] = Doors(tmp_path_factory.mktemp(kind), SPECS[kind])
        return made[kind]

    return make


def is_same(found: Outcome, wanted: Outcome) -> bool:
    if isinstance(found, str) or isinstance(wanted, str):
        return found == wanted
    return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-6)


def meaning(text: str, kind: str) -> Outcome:
    """What the documentation says of a text; written without the code it tests."""
    plain = text.strip()
    spec = SPECS[kind]
    if kind == "word":
        level = text if text in LEVELS else plain
        return float(LEVELS.index(level)) if level in LEVELS else REFUSED if plain else GAP
    if plain in MISSING_WORDS:
        return GAP
    if kind == "truth":
        true = {"true", "yes", "1", "y", "t", "on", "ja", "wahr", "oui", "vrai"}
        true |= {"sí", "si", "sì", "verdadero", "sim"}
        false = {
            "false",
            "no",
            "0",
            "n",
            "f",
            "off",
            "nein",
            "falsch",
            "non",
            "faux",
            "falso",
            "não",
        }
        words = dict.fromkeys(true, 1.0) | dict.fromkeys(false, 0.0)
        return words.get(plain.lower(), REFUSED)
    if kind == "date":
        return date_meaning(plain)
    number = number_meaning(plain)
    if kind == "number" or isinstance(number, str):
        return number
    if number % 1 or not -(2.0**63) <= number < 2.0**63:
        return REFUSED
    if kind == "whole":
        return number
    return float(spec.levels.index(int(number))) if number in spec.levels else REFUSED


def number_meaning(plain: str) -> Outcome:
    plain = re.sub(r"^\((.*)\)$|^([^-].*)-$", r"-\1\2", plain) if len(plain) > 1 else plain
    plain = re.sub("^[\u2212\u2010\u2011\u2013\ufe63\uff0d]", "-", plain)
    if not re.fullmatch(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", plain):
        return REFUSED
    number = float(plain)
    vanished = number == 0 and re.search("[1-9]", plain.lower().partition("e")[0])
    return REFUSED if vanished or math.isinf(number) else number


def date_meaning(plain: str) -> Outcome:
    zone = r"([Zz]|[+-]\d\d(:?\d\d)?)"
    clock = r"[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
    if not re.fullmatch(rf"\d{{4}}-\d\d-\d\d({clock}{zone}?)?", plain, re.ASCII):
        return REFUSED
    try:
        moment = datetime.datetime.fromisoformat(plain.upper())
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return REFUSED
    return (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)


def check(doors: Doors, kind: str, texts: list[str]) -> None:
    every = dict.fromkeys(texts)
    right = [text for text in every if meaning(text, kind) != REFUSED]
    wrong_ones = [text for text in every if meaning(text, kind) == REFUSED]
    texts = [*right, *wrong_ones]
    wanted = [meaning(text, kind) for text in texts]
    by_model = [w if isinstance(w, str) or abs(w) <= FLOAT32_MAX else REFUSED for w in wanted]
    for name, door in doors.by_text.items():
        wanted_here = wanted if name.startswith("validate") else by_model
        # Apart: a server refuses a request for one wrong row, and a file has its types by all rows.
        found = [*(door(right) if right else []), *(door(wrong_ones) if wrong_ones else [])]
        wrong = [
            (text, have, want)
            for text, have, want in zip(texts, found, wanted_here, strict=True)
            if not is_same(have, want)
        ]
        assert not wrong, f"{name}, column of kind {kind}: {wrong[:5]}"


def _of(doors: Any, kind: str, n_examples: int, size: int) -> None:
    """Check texts that hypothesis draws, in few large files: a door's price is by the file."""
    drawn: list[str] = []

    @settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(TEXT, min_size=size // 2, max_size=size))
    def draw(texts: list[str]) -> None:
        drawn.extend(texts)

    draw()
    assert len(drawn) >= n_examples * size // 2
    for start in range(0, len(drawn), 2000):
        check(doors(kind), kind, drawn[start : start + 2000])


@pytest.mark.parametrize("kind", SPECS)
def test_text_has_one_meaning_at_every_door(kind, doors):
    _of(doors, kind, 2, 60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPECS)
def test_ten_thousand_texts_have_one_meaning_at_every_door(kind, doors):
    _of(doors, kind, 100, 140)


TYPED = {
    "number": [1, -2.5, 0.1, 2**53 + 1, 2**63, 7.0, None],
    "whole": [1, -2, 3.0, 2.5, 2**53 + 1, -(2**63), str(-(2**63) - 1), 1e300, None],
    "code": [1, 2.0, -3, 4, 2.5, None],
    "truth": [True, False, 1, 0, 2, None],
    "word": ["005", "7", 7, 5, "nowhere", None],
    "date": ["2024-12-31", 2024, 20241231, True, None],
}
TYPED_WANTED: dict[str, list[Outcome]] = {
    "number": [1, -2.5, 0.1, 2**53, 2.0**63, 7, GAP],
    "whole": [1, -2, 3, REFUSED, 2**53, -(2.0**63), -(2.0**63), REFUSED, GAP],
    "code": [1, 2, 0, REFUSED, REFUSED, GAP],
    "truth": [1, 0, 1, 0, REFUSED, GAP],
    "word": [0, 1, 1, REFUSED, REFUSED, GAP],
    "date": [20088, REFUSED, REFUSED, REFUSED, GAP],
}


@pytest.mark.parametrize("kind", SPECS)
def test_typed_values_have_one_meaning_at_every_door(kind, doors):
    """One by one, since a file, unlike JSON, gives all values of a column one type."""
    made = doors(kind)
    for value, wanted in zip(TYPED[kind], TYPED_WANTED[kind], strict=True):
        for name, door in made.by_text.items():
            if name.startswith("predict"):
                continue  # a second each, to load the model; their rows are read as by pyfunc
            (found,) = door([value])
            assert is_same(found, wanted), (name, value, found)


def test_a_number_without_a_finite_prediction_is_refused_by_every_model(doors):
    made = doors("number")
    for name, door in made.by_text.items():
        if not name.startswith("validate"):
            assert door([1e300, 5]) == [REFUSED, 5], name


def test_levels_that_are_dates_are_levels_at_every_door(tmp_path):
    """JSON gives dates where all its texts are, Parquet and pandas have them as a type."""
    levels = ("2024-01-01", "2024-02-01", "soon")
    spec = dataclasses.replace(SPECS["word"], levels=levels)
    made = Doors(tmp_path, spec)
    days = [datetime.date(2024, 2, 1), datetime.date(2024, 1, 1), datetime.date(2024, 3, 1), None]
    for name, door in made.by_text.items():
        assert door([str(day or "") for day in days]) == [1, 0, REFUSED, GAP], name
    typed = (made.validate_parquet, made.predict_parquet, made.serve_parquet, made.load_pyfunc)
    for door in typed:
        assert door(days) == [1, 0, REFUSED, GAP], door.__name__
