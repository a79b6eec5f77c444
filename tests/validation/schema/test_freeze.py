"""`layerline schema`: what the data have left, and a merge that keeps the user's own words."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from layerline.artifacts import Workspace, replace_folder
from layerline.cli import main
from layerline.tables.storage import write_images, write_table
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import read_schema, write_schema

PARAMS = "project: shop\nfetch: {source: files, target: kind}\n"
SCHEMA = Path("data/schemas/shop.yaml")


@pytest.fixture
def shop(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose schema was frozen, and edited by hand."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    write_schema(SCHEMA, infer_schema(frame, "kind", "multiclass"))
    lines = SCHEMA.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("  city:"))
    lines[place] += "  # as the shops write it"
    lines.insert(place, "  # asked of Ms Weber, 3 May")
    lines.append('checks:\n  - "age >= 0"   # nobody is younger')
    SCHEMA.write_text("\n".join(lines) + "\n")
    fetched(frame)
    return SCHEMA


def fetched(frame: pd.DataFrame) -> None:
    about = {"kind": "table", "source": "files", "target": "kind", "task": "multiclass"}
    about |= {"split_column": None, "origin": {}}
    with replace_folder(Workspace(Path()).raw, about) as folder:
        write_table(folder / "table.parquet", frame)


def changed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[3, "city"] = "Paris"
    frame.loc[4, "age"] = 10_000
    frame["since"] = [f"{day:%d.%m.%Y}" for day in frame["since"]]
    frame["member"] = frame["member"].astype(object)
    frame.loc[5, "member"] = None
    frame["weight"] = np.linspace(1, 2, 60)
    frame.loc[frame["kind"] == "a", "kind"] = "b"
    return frame.drop(columns="note")


def layerline(*arguments: str, answers: str = "") -> Result:
    return CliRunner().invoke(main, ["schema", *arguments], input=answers)


def test_a_schema_that_the_data_keep(shop: Path) -> None:
    assert layerline("--diff").output == "data/raw matches the frozen schema\n"
    assert json.loads(layerline("--diff", "--json").output) == []
    assert "nothing to update" in layerline("--update", "--yes").output


def test_diff_says_what_the_data_have_left(shop: Path, frame: pd.DataFrame) -> None:
    fetched(changed(frame))
    changes = {
        (c["column"], c["what"]): c for c in json.loads(layerline("--diff", "--json").output)
    }
    assert set(changes) == {
        ("age", "limits"),
        ("city", "levels"),
        ("member", "missing"),
        ("since", "type"),
        ("note", "vanished"),
        ("kind", "unseen"),
        ("weight", "added"),
    }
    assert changes["city", "levels"]["found"] == "new: 'Paris'"
    assert changes["age", "limits"]["found"].endswith(" to 10000")
    assert changes["kind", "unseen"]["update"] is None
    assert changes["weight", "added"]["update"] == {
        "kind": "number",
        "dtype": "float64",
        "min": -9,
        "max": 12,
    }
    assert "'Paris'" in layerline("--diff").output


def test_update_keeps_comments_order_and_hand_edits(shop: Path, frame: pd.DataFrame) -> None:
    before = shop.read_text().splitlines()
    fetched(changed(frame))
    result = layerline("--update", "--yes")
    assert result.exit_code == 0, result.output
    after = shop.read_text().splitlines()
    gone = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    assert [line.split(":")[0].strip() for line in gone] == [
        "age",
        "city",
        "member",
        "since",
        "# not used",
        "note",
    ]
    assert any(line.endswith("# as the shops write it") and "Paris]" in line for line in new)
    assert {"  # asked of Ms Weber, 3 May", '  - "age >= 0"   # nobody is younger'} <= set(after)
    schema = read_schema(shop)
    assert schema.names == ["age", "income", "city", "member", "since", "kind", "weight"]
    assert schema["member"].nullable
    assert schema["age"].maximum is not None
    assert schema["age"].maximum >= 10_000
    assert schema["since"].kind == "text" or schema["since"].levels
    assert [c["what"] for c in json.loads(layerline("--diff", "--json").output)] == ["unseen"]


def test_only_what_is_accepted_is_written(shop: Path, frame: pd.DataFrame) -> None:
    fetched(changed(frame))
    assert "is unchanged" in layerline("--update", answers="n\n" * 6).output
    layerline("--update", "--only", "city", "--only", "age", answers="n\ny\n")
    schema = read_schema(shop)
    assert "Paris" in (schema["city"].levels or ())
    assert (schema["age"].maximum or 0) < 10_000
    assert "note" in schema.names
    wrong = layerline("--update", "--only", "income", "--yes")
    assert wrong.exit_code == 2


def test_an_update_that_contradicts_itself_leaves_the_file(shop: Path, frame: pd.DataFrame) -> None:
    before = shop.read_text()
    fetched(frame.drop(columns="age"))  # `checks` speaks of it
    result = layerline("--update", "--yes")
    assert result.exit_code == 2
    assert shop.read_text() == before


def test_show_and_infer(shop: Path) -> None:
    shown = layerline("--show").output
    assert "shop.yaml: multiclass, target kind" in shown
    assert "check: age >= 0 (error)" in shown
    as_json = json.loads(layerline("--show", "--json").output)
    assert as_json["columns"][0]["name"] == "age"
    assert as_json["checks"] == [{"text": "age >= 0", "severity": "error"}]
    assert layerline().exit_code == 2  # it exists already
    assert layerline("--show", "--diff").exit_code == 2
    shop.unlink()
    result = layerline()
    assert "'note' is not used" in result.output
    assert "wrote data/schemas/shop.yaml" in result.output
    assert layerline("--diff").output == "data/raw matches the frozen schema\n"


def test_shapes_of_images_are_compared_and_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    labels = pd.DataFrame({"kind": list("abc") * 4})
    write_schema(SCHEMA, infer_schema(labels, "kind", "multiclass", None, (6, 5)))
    SCHEMA.write_text(SCHEMA.read_text().replace("dtype: uint8}", "dtype: uint8}  # as scanned"))
    about = {"kind": "images", "source": "image_folder", "target": "kind", "task": "multiclass"}
    with replace_folder(Workspace(Path()).raw, about | {"split_column": None}) as folder:
        write_images(folder, np.zeros((12, 8, 7, 3), np.uint8), labels)
    (change,) = json.loads(layerline("--diff", "--json").output)
    assert (change["what"], change["frozen"], change["found"]) == ("shape", "6 × 5", "8 × 7 × 3")
    assert "wrote" in layerline("--update", "--yes").output
    assert read_schema(SCHEMA).image_shape == (8, 7, 3)
    assert "# as scanned" in SCHEMA.read_text()
    assert layerline("--diff").output == "data/raw matches the frozen schema\n"
