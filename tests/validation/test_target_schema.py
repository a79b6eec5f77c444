"""The schema of several targets: inferred, written, read back, and its contradictions."""

from pathlib import Path

import pandas as pd
import pytest

from layerline.errors import ParamsError
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import parse_schema, schema_text

FRAME = pd.DataFrame(
    {"x": [0.5, 1.5, 2.5, 3.5], "price": [1.5, 2.0, 3.0, 4.0], "sold": ["no", "yes", "no", "no"]}
)


def test_a_schema_of_several_targets_is_read_as_it_was_written() -> None:
    frame = FRAME.assign(rent=[0.1, 0.2, 0.3, 0.4])
    schema = infer_schema(frame, ("price", "rent"), "multi_regression")
    assert schema.targets == ("price", "rent")
    assert [spec.name for spec in schema.features] == ["x", "sold"]
    assert schema.classes is None
    assert schema["rent"].kind == "number"
    assert not schema["rent"].nullable
    text = schema_text(schema)
    assert "target: [price, rent]" in text
    assert parse_schema(text, Path("flats.yaml")) == schema
    labels = infer_schema(FRAME.assign(heated=[0, 1, 1, 0]), ("sold", "heated"), "multilabel")
    assert labels["heated"].levels == (0, 1)
    assert parse_schema(schema_text(labels), Path("flats.yaml")) == labels


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("target: [price, rent]", "target: [price, price]", "several that differ"),
        ("target: [price, rent]", "target: [price, rental]", "'rental' is not among the columns"),
        ("target: [price, rent]", "target: price", "multi_regression is of several targets"),
        ("task: multi_regression", "task: regression", "regression is of one target"),
        ("task: multi_regression", "task: multilabel", "must be category for multilabel"),
    ],
)
def test_contradictions_of_several_targets(old: str, new: str, message: str) -> None:
    frame = FRAME.assign(rent=[0.1, 0.2, 0.3, 0.4])
    text = schema_text(infer_schema(frame, ("price", "rent"), "multi_regression"))
    with pytest.raises(ParamsError, match=message):
        parse_schema(text.replace(old, new), Path("flats.yaml"))
