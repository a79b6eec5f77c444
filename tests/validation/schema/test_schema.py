"""Inferred once, written for people, read back the same; mistakes of an editor are all told."""

import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.columns.spec import ColumnSpec
from layerline.errors import DataError, ParamsError
from layerline.validation.schema.advice import advice
from layerline.validation.schema.definitions import CrossRule, TableSchema
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import read_schema, schema_text, write_schema
from layerline.validation.schema.severities import Setting


def test_inference(frame: pd.DataFrame) -> None:
    schema = infer_schema(frame, "kind", "multiclass")
    age = schema["age"]
    low, high = int(frame["age"].min()), int(frame["age"].max())
    assert (age.minimum, age.maximum) == (low - 10 * (high - low), high + 10 * (high - low))
    assert schema["income"].nullable
    assert schema["city"].levels == ("Bern", "Köln", "NA")
    assert schema["member"] == ColumnSpec("member", "category", "bool", levels=(False, True))
    assert (schema["since"].kind, schema["since"].use) == ("date", True)
    assert (schema["note"].kind, schema["note"].use) == ("text", False)
    assert schema.classes == ("a", "b", "c")
    assert schema.names[-1] == "kind"
    assert "'note' is not used" in advice(frame, schema)[0]


def test_columns_that_say_nothing_are_not_used() -> None:
    frame = pd.DataFrame(
        {
            "unnamed_1": range(30),
            "empty": [float("nan")] * 30,
            "almost": [*map(str, range(29)), "?"],
            "split": ["train", "test"] * 15,
            "y": [0.5, 1.5] * 15,
        }
    )
    schema = infer_schema(frame, "y", "regression", "split")
    assert schema.features == ()
    assert schema.names == ["unnamed_1", "empty", "almost", "y", "split"]
    spoken = "\n".join(advice(frame, schema))
    assert "'unnamed_1' is not used: it only numbers the rows" in spoken
    assert "'empty' is not used: it has no value" in spoken
    assert "'almost' is text, though 97% of its values are numbers; if '?'" in spoken


def test_of_0_and_1_alone_these_are_the_limits() -> None:
    gaps = pd.array([0, 1, None, 1], "Int64")
    flags = pd.DataFrame({"whole": [0, 1, 1, 0], "gaps": gaps, "y": list("abab")})
    schema = infer_schema(flags, "y", "binary")
    assert {(schema[name].minimum, schema[name].maximum) for name in ("whole", "gaps")} == {(0, 1)}
    wider = infer_schema(flags.assign(whole=[0, 1, 2, 0]), "y", "binary")
    assert wider["whole"].maximum == 22
    decimals = infer_schema(flags.assign(whole=[0.0, 1.0, 1.0, 0.0]), "y", "binary")
    assert decimals["whole"].maximum == 11


def test_limits_hold_the_data_they_come_from() -> None:
    for low, width in (
        (1.7e9, 50.0),
        (1.0, 2.5e-16),
        (-3e15, 1.0),
        (1e-300, 1e-310),
        (0.0, 5e-324),
    ):
        frame = pd.DataFrame({"x": [low, low + width / 2, low + width], "y": [1.0, 2.0, 3.0]})
        spec = infer_schema(frame, "y", "regression")["x"]
        if spec.minimum is not None and spec.maximum is not None:
            assert spec.minimum <= frame["x"].min() <= frame["x"].max() <= spec.maximum


def test_missing_target(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="did you mean 'kind'"):
        infer_schema(frame, "Kind", "multiclass")


NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
LIMIT = st.floats(allow_nan=False, allow_infinity=False)
LEVELS = st.one_of(
    st.tuples(st.just("str"), st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])))),
    st.tuples(st.just("int64"), st.lists(st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just("bool"), st.lists(st.booleans())),
)


@st.composite
def specs(draw: st.DrawFn, name: str) -> ColumnSpec:
    flags = draw(st.booleans()), draw(st.booleans())
    kind = draw(st.sampled_from(["number", "category", "date", "text"]))
    if kind == "number":
        low, high = sorted([draw(LIMIT), draw(LIMIT)])
        return ColumnSpec(
            name, "number", draw(st.sampled_from(["int64", "float64"])), *flags, low, high
        )
    if kind == "category":
        dtype, levels = draw(LEVELS.filter(lambda pair: len(pair[1]) > 0))
        return ColumnSpec(name, "category", dtype, *flags, levels=tuple(dict.fromkeys(levels)))
    if kind == "text":
        more = {"pattern": draw(st.sampled_from([None, "[a-z]+"])), "unique": draw(st.booleans())}
        return ColumnSpec(name, kind, "str", flags[0], use=False, accept=("id_like",), **more)
    return ColumnSpec(name, kind, "datetime64[us]", *flags)


@st.composite
def schemas(draw: st.DrawFn) -> TableSchema:
    names = draw(st.lists(NAME, min_size=2, max_size=5, unique=True))
    target = ColumnSpec(names[-1], "category", "str", levels=("no", "1"))
    columns = (*(draw(specs(name)) for name in names[:-1]), target)
    shape = draw(st.sampled_from([None, (28, 28), (8, 8, 3)]))
    return TableSchema(
        names[-1],
        "binary",
        columns,
        shape,
        unique=draw(st.sampled_from([(), ((names[0],), tuple(names))])),
        checks=draw(st.sampled_from([(), (CrossRule(f"not missing(`{names[0]}`)", "warning"),)]))
        if "`" not in names[0]
        else (),
        rules=draw(st.sampled_from([{}, {"target_leak": Setting("off", 0.5)}])),
    )


@pytest.mark.parametrize("level", ["? 0", "?", "- a", ": b", "# c", "{d}", "[e]", "&f", "*g", "!h"])
def test_levels_that_mean_something_in_yaml(level: str, tmp_path: Path) -> None:
    known = ColumnSpec("a", "category", "str", levels=(level, "z"))
    target = ColumnSpec("y", "category", "str", levels=("no", "yes"))
    schema = TableSchema("y", "binary", (known, target))
    write_schema(tmp_path / "s.yaml", schema)
    assert read_schema(tmp_path / "s.yaml") == schema


@settings(max_examples=100, deadline=None)
@given(schema=schemas())
def test_reading_gives_back_what_was_written(schema: TableSchema) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.yaml"
        write_schema(path, schema)
        found = read_schema(path)
        assert path.read_text(encoding="utf-8") == schema_text(found)
    assert found == schema
    assert [type(level) for c in found.columns for level in c.levels or ()] == [
        type(level) for c in schema.columns for level in c.levels or ()
    ]
    assert all(ColumnSpec.from_dict(c.to_dict()) == c for c in schema.columns)


HEAD = "target: y\ntask: regression\ncolumns:\n  y: {kind: number, dtype: float64}\n"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            HEAD + "  x: {kind: number, dtype: float64, mim: 1}\n",
            ["columns.x.mim: unknown key; did you mean 'min'"],
        ),
        (HEAD + "  x: {kind: number, dtype: str}\n", ["columns.x.dtype: must be int64 or float64"]),
        (
            HEAD + "  x: {kind: number, dtype: int64, min: 2, max: 1}\n",
            ["columns.x: min 2 is above max 1"],
        ),
        (
            HEAD + "  x: {kind: date, dtype: 'datetime64[us]', min: 2}\n",
            ["min and max are for numbers"],
        ),
        (
            HEAD + "  x: {kind: category, dtype: str}\n",
            ["columns.x.levels: a category needs levels"],
        ),
        (HEAD + "  x: {kind: text, dtype: str, levels: [a]}\n", ["only a category has levels"]),
        (
            HEAD + "  x: {kind: category, dtype: str, levels: [a, 1]}\n",
            ["1 is not str; write it in quotes"],
        ),
        (
            HEAD + "  x: {kind: category, dtype: str, levels: [a, a]}\n",
            ["'a' is there more than once"],
        ),
        (HEAD.replace("target: y", "target: z"), ["target: 'z' is not among the columns: y"]),
        (
            HEAD.replace("regression", "binary"),
            ["columns.y.kind: must be category", "must be two for binary"],
        ),
        (HEAD.replace("float64}", "float64, nullable: true}"), ["neither nullable nor unused"]),
        (HEAD.replace("regression", "multiclass"), ["must be three or more"]),
        (HEAD + "unique: [[y, z]]\n", ["unique.0: 'z' is not known"]),
        (HEAD + "rules: {limit: off}\n", ["rules: 'limit' is not known; did you mean 'limits'"]),
        (HEAD + "rules: {type: warning}\n", ["rules.type: must be error, got 'warning'"]),
        (HEAD + "rules: {limits: quiet}\n", ["rules.limits.severity: input should be 'error'"]),
        (HEAD + "rules: {unique: {limit: 3}}\n", ["rules.unique: has no limit"]),
        (HEAD + "checks: ['y < z']\n", ["checks.0: 'y < z': 'z' is not among the columns: y"]),
        (HEAD + "checks: [{rule: y < 1, strict: true}]\n", ["checks.0.strict: unknown key"]),
        (
            HEAD + "  x: {kind: text, dtype: str, use: false, pattern: '(a'}\n",
            ["columns.x.pattern: '(a' is not a regular expression of RE2"],
        ),
        (HEAD + "  x: {kind: number, dtype: int64, pattern: a}\n", ["only text has a pattern"]),
        (
            HEAD + "  x: {kind: number, dtype: int64, accept: [target_leek]}\n",
            ["columns.x.accept: 'target_leek' is not known; did you mean 'target_leak'"],
        ),
        ("[]\n", ["(root): must be a mapping such as `{target: NAME, task: binary, columns: {"]),
    ],
)
def test_mistakes_are_all_reported(text: str, messages: list[str], tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        read_schema(path)
    assert caught.value.exit_code == 2
    assert all(message in str(caught.value) for message in messages)
    assert str(path) in str(caught.value)


def test_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="`layerline schema` infers it"):
        read_schema(tmp_path / "s.yaml")


def test_committed_schema_of_digits_is_what_is_inferred(tmp_path: Path) -> None:
    from layerline.sources import SOURCES
    from layerline.tables.storage import read_table

    SOURCES["sklearn"].build(tmp_path, "target", dataset="digits")
    schema = infer_schema(read_table(tmp_path), "target", "multiclass")
    committed = Path(__file__).parents[3] / "data" / "schemas" / "digits.yaml"
    assert committed.read_text(encoding="utf-8") == schema_text(schema)
