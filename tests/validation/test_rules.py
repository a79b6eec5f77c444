"""Uniqueness, patterns, cross-column rules, flags and severities: each said once, each to relax."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerline.config import ValidateSection
from layerline.validation.column_warnings import FLAGS
from layerline.validation.quarantine import ValidationResult, validate
from layerline.validation.refusal import BrokenRulesError, warning_lines
from layerline.validation.schema.definitions import CrossRule, TableSchema
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.severities import RULES, Setting
from layerline.validation.violation_messages import _WORDINGS

FAIL = ValidateSection()
QUARANTINE = ValidateSection(on_bad_rows="quarantine", max_bad_fraction=0.2)


@pytest.fixture
def schema(frame: pd.DataFrame) -> TableSchema:
    return infer_schema(frame, "kind", "multiclass")


def edited(schema: TableSchema, name: str, **changes: Any) -> TableSchema:
    columns = [dataclasses.replace(c, **changes) if c.name == name else c for c in schema.columns]
    return dataclasses.replace(schema, columns=tuple(columns))


def ruled(schema: TableSchema, **settings: Any) -> TableSchema:
    rules = {n: s if isinstance(s, Setting) else Setting(s) for n, s in settings.items()}
    return dataclasses.replace(schema, rules=rules)


def warned(result: ValidationResult) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for warning in result.report["warnings"]:
        found.setdefault(warning["rule"], []).append(warning["column"])
    return found


def test_every_rule_has_its_words_and_its_finder() -> None:
    of_rows = {name for name, rule in RULES.items() if rule.scope == "row"}
    assert of_rows == {*_WORDINGS, "type"}
    assert {name for name, rule in RULES.items() if rule.scope == "column"} == set(FLAGS)
    assert all(rule.default.severity in rule.may_be for rule in RULES.values())


def repeat_note(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[[5, 9], "note"] = "free words 3"
    return frame


def repeat_day(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[[7], ["city", "since"]] = frame.loc[2, ["city", "since"]].to_numpy()
    return frame


def odd_note(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[[4], "note"] = "x\nfree words 4"
    return frame


def too_young(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[[7, 8], "age"] = 17  # the income of row 7 is missing
    return frame


CASES = [
    (
        repeat_note,
        lambda s: edited(s, "note", unique=True),
        "column 'note' has 2 values that came before (rows 6, 10); drop them at the source, or "
        "take unique: true from columns.note",
        "note: came before",
    ),
    (
        repeat_day,
        lambda s: dataclasses.replace(s, unique=(("city", "since"),)),
        "the table has 1 row that repeats another row of the same city, since (row 8)",
        "repeats city, since",
    ),
    (
        odd_note,
        lambda s: edited(s, "note", pattern="free words [0-9]+"),
        "column 'note' has 1 value that does not match 'free words [0-9]+' ('x\\nfree words 4'; "
        "row 5)",
        "note: does not match 'free words [0-9]+'",
    ),
    (
        too_young,
        lambda s: dataclasses.replace(s, checks=(CrossRule("age >= 18 or missing(income)"),)),
        "the table has 1 row that breaks `age >= 18 or missing(income)` (age = 17, income = ",
        "breaks `age >= 18 or missing(income)`",
    ),
]


@pytest.mark.parametrize(("change", "narrow", "message", "reason"), CASES)
def test_rules_of_rows(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    narrow: Callable[[TableSchema], TableSchema],
    message: str,
    reason: str,
    frame: pd.DataFrame,
    schema: TableSchema,
) -> None:
    schema = narrow(schema)
    assert validate(frame, schema, FAIL).report["passed"]
    broken = change(frame.copy())
    with pytest.raises(BrokenRulesError) as caught:
        validate(broken, schema, FAIL)
    (line,) = caught.value.report["broken"]
    assert message in line["message"]
    assert caught.value.exit_code == 3
    result = validate(broken, schema, QUARANTINE)
    assert len(result.frame) == 60 - line["n_rows"]
    assert set(result.quarantine["reason"]) == {reason}


def test_a_repeat_of_a_bad_row_is_no_repeat(frame: pd.DataFrame, schema: TableSchema) -> None:
    frame.loc[[3, 5], "note"] = "same"
    frame.loc[3, "income"] = np.inf
    result = validate(frame, edited(schema, "note", unique=True), QUARANTINE)
    assert result.quarantine["reason"].tolist() == ["income: non-finite value"]


def test_missing_values_are_not_equal(frame: pd.DataFrame, schema: TableSchema) -> None:
    frame.loc[[3, 5], "note"] = None
    assert validate(frame, edited(schema, "note", unique=True), FAIL).report["passed"]


def test_duplicate_and_conflicting_rows(frame: pd.DataFrame, schema: TableSchema) -> None:
    twins = pd.concat([frame, frame.iloc[[0, 4]]], ignore_index=True)
    twins.loc[60, "note"] = "a column that is not learnt from tells no twins apart"
    result = validate(twins, schema, FAIL)
    assert warned(result) == {"duplicate_rows": [None]}
    assert result.report["warnings"][0]["rows"] == [61, 62]
    aside = validate(twins, ruled(schema, duplicate_rows="error"), QUARANTINE)
    assert aside.kept.tolist() == list(range(60))
    assert validate(twins, ruled(schema, duplicate_rows="off"), FAIL).report["warnings"] == []
    twins.loc[60, "kind"] = "b" if twins.loc[60, "kind"] == "a" else "a"
    conflict = ruled(schema, conflicting_rows=Setting("error", 0.02))
    with pytest.raises(BrokenRulesError, match=r"2 rows \(3\.2%\) that equal another in every"):
        validate(twins, conflict, QUARANTINE)


def flagged(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    y = rng.choice(["no", "yes"], n)
    return pd.DataFrame(
        {
            "fair": rng.normal(size=n) + (y == "yes"),
            "leak": np.where(y == "yes", 1.0, -1.0) * rng.uniform(0.5, 2, n),
            "told": np.where(y == "yes", "paid", rng.choice(["open", "lost"], n)),
            "gap": np.where(y == "yes", np.nan, rng.normal(size=n)),
            "same": y,
            "one": 3.5,
            "nearly": np.where(np.arange(n) == 7, 1, 0),
            "sparse": np.where(np.arange(n) % 20 == 0, rng.normal(size=n), np.nan),
            "order_id": rng.permutation(n) + 10_000,
            "amount": rng.integers(0, 10**12, n),
            "y": y,
        }
    )


def test_flags_and_what_is_no_flag() -> None:
    frame = flagged()
    schema = infer_schema(frame, "y", "binary")
    result = validate(frame, schema, FAIL)
    assert warned(result) == {
        "target_leak": ["leak", "told", "gap", "same"],
        "constant": ["one"],
        "near_constant": ["nearly"],
        "mostly_missing": ["sparse"],
    }
    assert not next(c for c in schema.columns if c.name == "order_id").use  # inferred: an id
    messages = {w["column"]: w["message"] for w in result.report["warnings"]}
    assert messages["same"].startswith("column 'same' equals the target 'y': a leak; write use:")
    assert "of the target 'y'" in messages["leak"]
    assert "holds the one value 3.5" in messages["one"]
    assert "is 0 in 99.75% of its values" in messages["nearly"]
    assert "has no value in 95.0% of the rows" in messages["sparse"]
    lines = warning_lines(result.report["warnings"], "the page")
    assert "features that alone predict the target, in 4: 'leak', 'told', 'gap', 'same'" in lines
    assert lines[-1] == "more in the page"
    accepted = edited(edited(schema, "same", use=False), "leak", accept=("target_leak",))
    assert warned(validate(frame, accepted, FAIL))["target_leak"] == ["told", "gap"]
    with pytest.raises(BrokenRulesError, match="column 'one' holds the one value"):
        validate(frame, ruled(schema, constant="error"), QUARANTINE)


@pytest.mark.parametrize(
    ("name", "leaks"), [("twice", True), ("log", True), ("group", True), ("noisy", False)]
)
def test_leaks_of_numbers(name: str, leaks: bool) -> None:
    rng = np.random.default_rng(2)
    group = rng.integers(0, 5, 500)
    y = group * 10.0 + rng.normal(0, 0.1, 500)
    features = {
        "twice": 2 * y + 1,
        "log": np.exp(y / 5),
        "group": np.array(list("abcde"))[group],
        "noisy": y + rng.normal(0, 8, 500),
    }
    frame = pd.DataFrame({name: features[name], "y": y})
    result = validate(frame, infer_schema(frame, "y", "regression"), FAIL)
    assert warned(result) == ({"target_leak": [name]} if leaks else {})


def test_an_identifier_is_no_leak() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=300), "y": rng.choice(["a", "b"], 300)})
    frame["word"] = [f"w{i % 150}" for i in range(300)]
    assert warned(validate(frame, infer_schema(frame, "y", "binary"), FAIL)) == {}


def test_a_column_that_lost_all_its_values(frame: pd.DataFrame, schema: TableSchema) -> None:
    frame["income"] = np.nan
    with pytest.raises(BrokenRulesError, match="column 'income' has no value in any row; bring"):
        validate(frame, schema, QUARANTINE)
    assert warned(validate(frame, ruled(schema, empty="warning"), FAIL)) == {"empty": ["income"]}
    frame["age"] = np.nan
    with pytest.raises(
        BrokenRulesError, match=r"'age' has 60 missing values \(rows 1, 2.* 50 more"
    ):
        validate(frame, schema, FAIL)


def test_class_balance() -> None:
    frame = pd.DataFrame({"x": np.arange(408.0) ** 2, "y": ["no"] * 404 + ["yes"] * 4})
    result = validate(frame, infer_schema(frame, "y", "binary"), FAIL)
    assert result.report["warnings"][0]["message"].startswith(
        "class 'no' of target 'y' has 404 rows, 'yes' only 4, more than 50 to 1"
    )


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_too_few_rows(n_rows: int, frame: pd.DataFrame) -> None:
    schema = infer_schema(frame[["age", "income"]], "age", "regression")
    frame = frame.iloc[:n_rows].assign(income=1000.0)[["age", "income"]]
    with pytest.raises(BrokenRulesError, match=rf"{n_rows} good rows?, but at least 3 are needed"):
        validate(frame, schema, FAIL)


def test_an_added_column_may_be_let_go(frame: pd.DataFrame, schema: TableSchema) -> None:
    more = frame.assign(new=1.0)
    with pytest.raises(BrokenRulesError, match="column 'new' is not in the schema"):
        validate(more, schema, QUARANTINE)
    result = validate(more, ruled(schema, column_unexpected="warning"), FAIL)
    assert [*result.frame] == schema.names
    assert warned(result) == {"column_unexpected": ["new"]}


def test_relaxed_rules_keep_their_rows(frame: pd.DataFrame, schema: TableSchema) -> None:
    frame.loc[3, "income"] = 1e9
    frame.loc[4, "city"] = "Paris"
    result = validate(frame, ruled(schema, limits="warning", levels="warning"), FAIL)
    assert len(result.frame) == 60
    assert warned(result) == {"limits": ["income"], "levels": ["city"]}
    assert warned(validate(frame, ruled(schema, limits="off", levels="warning"), FAIL)) == {
        "levels": ["city"]
    }
    frame.loc[4, "kind"] = "z"  # a class the network has no output for cannot be let pass
    with pytest.raises(BrokenRulesError, match="target 'kind' has 1 value outside its levels"):
        validate(frame, ruled(schema, levels="warning"), FAIL)


def test_blank_images() -> None:
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"y": [0, 1, 2] * 4})
    images = rng.integers(0, 255, (12, 8, 8), dtype=np.uint8)
    images[5] = 7
    schema = infer_schema(labels, "y", "multiclass", image_shape=(8, 8))
    result = validate(labels, schema, FAIL, images=images)
    assert [w["rows"] for w in result.report["warnings"]] == [[6]]
    strict = ruled(schema, blank_images="error")
    assert len(validate(labels, strict, QUARANTINE, images=images).frame) == 11
