"""A rule of the user's own in the schema: which rows break it, and what is wrong with it."""

import numpy as np
import pandas as pd
import pytest
from own_project import write_own_code

from layerline.columns.spec import ColumnSpec
from layerline.config import ValidateSection
from layerline.errors import ParamsError
from layerline.validation.checks import Places, check
from layerline.validation.quarantine import with_reasons
from layerline.validation.row_batches import FrameRows
from layerline.validation.schema.definitions import CrossRule, TableSchema
from layerline.validation.schema.schema_file import parse_schema, schema_text

COLUMNS = (
    ColumnSpec("pieces", "number", "int64"),
    ColumnSpec("price", "number", "float64"),
    ColumnSpec("kind", "category", "str", levels=("a", "b")),
)
N_ROWS = 40


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    write_own_code(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def schema(name, severity="error"):
    rules = (CrossRule(f"mine.rules:{name}", severity),)
    return TableSchema("kind", "binary", COLUMNS, checks=rules)


def judge(rule):
    x = np.arange(N_ROWS)
    kinds = np.where(x % 2, "a", "b")
    frame = pd.DataFrame({"pieces": x % 10, "price": x / 10, "kind": kinds})
    rows = FrameRows(frame)
    places = Places(schema="data/schemas/own.yaml")
    return check(rows, rule, ValidateSection(), places=places), frame


def test_rows_that_break_it_are_named_and_can_be_set_aside():
    verdict, frame = judge(schema("few_pieces"))
    assert np.flatnonzero(verdict.bad).tolist() == [8, 9, 18, 19, 28, 29, 38, 39]
    (broken,) = verdict.errors
    assert broken.rule == "check"
    assert "8 rows that break `mine.rules:few_pieces` (pieces = 8, price = 0.8, kind = b;" in (
        broken.message
    )
    aside = with_reasons(frame[verdict.bad], 0, verdict)
    assert aside["reason"].unique().tolist() == ["breaks `mine.rules:few_pieces`"]


def test_a_missing_answer_keeps_the_rule_and_a_warning_sets_no_row_aside():
    verdict, _ = judge(schema("with_gaps", "warning"))
    assert not verdict.bad.any()
    assert "1 row that breaks `mine.rules:with_gaps`" in verdict.warnings[0].message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("total", "gives 1 values of bool for 40 rows, not one truth value for each row"),
        ("numbers", "gives 40 values of float64 for 40 rows, not one truth value for each row"),
        ("fails", "cannot be run: KeyError: 'no such column'"),
        ("absent", r"mine/rules\.py has no function absent; write `def NAME\(frame\)"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(name, message):
    where = rf"data/schemas/own\.yaml: checks\.0: mine\.rules:{name}: "
    with pytest.raises(ParamsError, match=where + message):
        judge(schema(name))


def test_the_file_keeps_it_and_reading_it_runs_nothing(project):
    (project / "mine" / "rules.py").write_text("raise SystemExit(3)\n")
    written = schema("few_pieces", "warning")
    assert parse_schema(schema_text(written), project / "own.yaml").checks == written.checks
