"""Every rule once: its message, its rows, its exit code; quarantine sets aside exactly bad rows."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import to_json
from layerline.config import ValidateSection
from layerline.validation.profile import profile
from layerline.validation.quarantine import validate
from layerline.validation.refusal import BrokenRulesError
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.infer import infer_schema

FAIL = ValidateSection()
QUARANTINE = ValidateSection(on_bad_rows="quarantine", max_bad_fraction=0.2)


@pytest.fixture
def schema(frame: pd.DataFrame) -> TableSchema:
    return infer_schema(frame, "kind", "multiclass")


def put(column: str, rows: list[int], value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[rows, column] = value
        return frame.infer_objects()

    return change


def text(column: str, rows: list[int], value: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(str).where(frame[column].notna(), None).astype("str")
        frame.loc[rows, column] = value
        return frame

    return change


ROW_RULES = [
    (put("income", [16, 40], np.inf), "column 'income' has 2 non-finite values (rows 17, 41)"),
    (put("income", [5], 1e9), "column 'income' has 1 value outside"),
    (put("age", [3], np.nan), "column 'age' has 1 missing value (row 4)"),
    (put("age", [3], 30.5), "'age' must hold whole numbers, but has 1 other value (30.5; row 4)"),
    (text("age", [3, 8], "old"), "but has 2 other values ('old'; rows 4, 9)"),
    (
        text("income", [9], "n/k"),
        "'income' must hold numbers, but has 1 other value ('n/k'; row 10)",
    ),
    (
        text("since", [2], "soon"),
        "'since' must hold dates like 2024-12-31, but has 1 other value ('soon'; row 3)",
    ),
    (put("city", [1], "Paris"), "has 1 value outside its levels ('Paris'; row 2)"),
    (put("city", [1], None), "column 'city' has 1 missing value (row 2)"),
    (put("kind", [59], None), "target 'kind' has 1 missing value (row 60)"),
    (put("kind", [59], "z"), "target 'kind' has 1 value outside its levels ('z'; row 60)"),
]


def test_good_data_pass_unchanged(frame: pd.DataFrame, schema: TableSchema) -> None:
    result = validate(frame, schema, FAIL)
    pd.testing.assert_frame_equal(result.frame, frame[schema.names])
    assert result.report["passed"]
    assert len(result.quarantine) == 0
    assert [*result.quarantine.columns] == [*frame.columns, "reason"]


@pytest.mark.parametrize(("change", "message"), ROW_RULES)
def test_bad_rows_fail(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
    frame: pd.DataFrame,
    schema: TableSchema,
) -> None:
    with pytest.raises(BrokenRulesError) as caught:
        validate(change(frame), schema, FAIL)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("data/raw/table.parquet: ")
    assert message in line
    assert caught.value.exit_code == 3
    assert len(caught.value.report["broken"]) == 1
    to_json(caught.value.report)


@pytest.mark.parametrize(("change", "message"), ROW_RULES)
def test_bad_rows_are_set_aside(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
    frame: pd.DataFrame,
    schema: TableSchema,
) -> None:
    good = frame.copy()
    result = validate(change(frame), schema, QUARANTINE)
    (broken,) = result.report["broken"]
    bad = [row - 1 for row in broken["rows"]]
    assert result.kept.tolist() == [row for row in range(60) if row not in bad]
    expected = good.drop(index=bad)[schema.names].reset_index(drop=True)
    pd.testing.assert_frame_equal(result.frame, expected)
    assert (result.quarantine["reason"] != "").all()
    assert len(result.quarantine) == len(bad)


def test_all_rules_are_reported_at_once(frame: pd.DataFrame, schema: TableSchema) -> None:
    frame = put("income", [5], np.inf)(put("city", [5, 6], "Paris")(frame))
    with pytest.raises(BrokenRulesError) as caught:
        validate(frame, schema, FAIL)
    assert len(str(caught.value).splitlines()) == 2
    result = validate(frame, schema, QUARANTINE)
    assert result.quarantine["reason"].tolist() == [
        "income: non-finite value; city: value outside its levels",
        "city: value outside its levels",
    ]


def test_too_many_bad_rows(frame: pd.DataFrame, schema: TableSchema) -> None:
    with pytest.raises(BrokenRulesError, match=r"13 of 60 rows \(21\.7%\)"):
        validate(put("city", list(range(13)), "Paris")(frame), schema, QUARANTINE)


@pytest.mark.parametrize("section", [FAIL, QUARANTINE])
def test_renamed_column(frame: pd.DataFrame, schema: TableSchema, section: ValidateSection) -> None:
    with pytest.raises(BrokenRulesError) as caught:
        validate(frame.rename(columns={"income": "Income "}), schema, section)
    missing, unexpected = str(caught.value).splitlines()
    renamed = "column 'income' is missing; was it renamed to 'Income '? Bring it back, or change"
    assert renamed in missing
    assert "column 'Income ' is not in the schema; is it 'income', renamed?" in unexpected


def test_class_with_too_few_rows(frame: pd.DataFrame, schema: TableSchema) -> None:
    rare = frame.drop(index=frame.index[frame["kind"] == "a"][1:])
    with pytest.raises(BrokenRulesError, match=r"class 'a' of target 'kind' has 1 row, fewer"):
        validate(rare, schema, FAIL)
    with pytest.raises(BrokenRulesError, match=r"class 'a' of target 'kind' has 0 rows, fewer"):
        validate(frame[frame["kind"] != "a"], schema, FAIL)


def test_numbers_where_text_is_meant(frame: pd.DataFrame, schema: TableSchema) -> None:
    frame["city"] = range(60)
    with pytest.raises(BrokenRulesError, match=r"list the column in fetch\.options\.text"):
        validate(frame, schema, FAIL)


def test_regression_target(frame: pd.DataFrame) -> None:
    schema = infer_schema(frame.dropna(), "income", "regression")
    with pytest.raises(BrokenRulesError, match="target 'income' has 9 missing values"):
        validate(frame, schema, FAIL)


def image_data() -> tuple[np.ndarray, pd.DataFrame, TableSchema]:
    labels = pd.DataFrame({"y": [0, 1, 2] * 4, "split": ["train", "test"] * 6})
    images = np.zeros((12, 8, 8), dtype=np.uint8)
    return images, labels, infer_schema(labels, "y", "multiclass", "split", (8, 8))


def test_images() -> None:
    images, labels, schema = image_data()
    assert len(validate(labels, schema, FAIL, images=images).frame) == 12
    for wrong, message in (
        (images[:, :7], r"images are \(7, 8\) uint8, but must be \(8, 8\) uint8"),
        (images.astype(np.float32), "float32, but must be"),
        (images[:5], "5 images but 12 labels"),
        (None, "the data are a table, but the schema describes images"),
    ):
        with pytest.raises(BrokenRulesError, match=message):
            validate(labels, schema, FAIL, images=wrong)


def test_profile(frame: pd.DataFrame) -> None:
    about = profile(frame)
    to_json(about)
    income = about["columns"]["income"]
    assert income["missing"] == 9
    assert income["mean"] == pytest.approx(frame["income"].mean())
    assert sum(income["histogram"]["counts"]) == 51
    assert income["quantiles"]["0.5"] == pytest.approx(frame["income"].median())
    city = about["columns"]["city"]
    assert dict(city["levels"]) == frame["city"].value_counts().to_dict()


def test_validation_imports_neither_torch_nor_sklearn() -> None:
    code = (
        "import sys, layerline.validation.validate, pandera.pandas;"
        "sys.exit(bool({'torch', 'sklearn', 'mlflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
