"""The recipes of CONTRIBUTING.md, applied to a copy of the checkout, run through `dvc repro`."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from checkouts import ROOT, Checkout, make_checkout
from ruamel.yaml import YAML

from layerline.retraining.stage_imports import STAGE_IMPORTS
from layerline.stage.warm_start import warm_process

KINDS = (
    *("network", "source", "split", "transform of numbers"),
    *("loss", "optimizer", "schedule", "metric", "rule", "column kind"),
)


class Block(NamedTuple):
    """A code block: its language, the file it is about, its text, the recipe it belongs to."""

    language: str
    file: str
    text: str
    recipe: str


def read_blocks() -> list[Block]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    pattern = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(found[1], found[2], found[3], recipe.partition("\n")[0])
        for recipe in text.split("\n### ")[1:]
        for found in pattern.finditer(recipe)
    ]


def apply_diff(text: str, diff: str) -> str:
    """Apply hunks without line numbers; each must match exactly one place."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict) and key not in ATOMS:
            merge(into[key], value)
        else:
            into[key] = value


ATOMS = ("options", "loss", "optimizer", "schedule", "split", "floors")  # replaced as a whole


def apply_recipes(root: Path, blocks: list[Block]) -> list[Path]:
    """Write the new files, change the tables and params.yaml; return the Python files."""
    yaml, changed = YAML(), []
    for block in blocks:
        path = root / block.file
        if block.language == "python":
            assert not path.exists()
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "diff":
            text = path.read_text(encoding="utf-8")
            path.write_text(apply_diff(text, block.text), encoding="utf-8")
        else:
            params = yaml.load(path)
            merge(params, yaml.load(block.text))
            yaml.dump(params, path)
        if path.suffix == ".py":
            changed.append(path)
    return changed


def test_every_kind_of_component_has_a_recipe() -> None:
    titles = {block.recipe.partition(" ")[2] for block in read_blocks()}
    assert titles == set(KINDS)


def test_hunks_that_match_no_place_or_two_are_refused() -> None:
    assert apply_diff("a\nb\n", " a\n+x\n") == "a\nx\nb\n"
    for text in ("b\n", "a\na\n"):
        with pytest.raises(AssertionError):
            apply_diff(text, " a\n+x\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with every recipe, after `dvc repro`."""
    checkout = make_checkout(tmp_path_factory.mktemp("contributing") / "checkout")
    changed = apply_recipes(checkout.root, read_blocks())
    ruff = [sys.executable, "-m", "ruff"]
    for check in (["check"], ["format", "--check"]):
        command = [*ruff, *check, "--config", str(ROOT / "pyproject.toml"), *map(str, changed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    checkout.edit_params(train__epochs=5, train__batch_size=32)
    with warm_process(checkout.root, checkout.environment, STAGE_IMPORTS) as variable:
        checkout.run("dvc", "repro", "fetch", **variable)
        checkout.run("layerline", "schema")
        checkout.run("dvc", "repro", **variable)
    return checkout


def test_the_recipes_run_through_the_pipeline(made: Checkout) -> None:
    def read(path: str) -> Any:
        return json.loads((made.root / path).read_text(encoding="utf-8"))

    assert read("data/raw/manifest.json")["source"] == "moons"
    data = read("data/scaled/manifest.json")
    assert data["n_rows"] == {"train": 360, "valid": 120, "test": 120}
    spec = read("models/network/spec.json")
    assert (spec["network"], spec["options"]) == ("single_layer", {"dropout": 0.1})
    (scaled,) = read("models/preprocessor/preprocessor.json")["numbers"]["scaled"]
    assert scaled["center"] == [0.0, 0.0]
    metrics = read("reports/metrics.json")
    assert 0.5 <= metrics["test"]["worst_recall"] <= metrics["test"]["balanced_accuracy"] <= 1
    assert "worst_recall" in read("reports/evaluation.json")["intervals"]
    warnings = [(w["rule"], w["column"]) for w in read("reports/validation.json")["warnings"]]
    assert {("many_decimals", "x"), ("many_decimals", "y")} <= set(warnings)
    verdict = read("reports/registration.json")
    assert verdict["promoted"]
    assert [check["subject"] for check in verdict["checks"]] == ["worst_recall"]
    rates = [row.split(",") for row in (made.root / "reports/history.csv").read_text().splitlines()]
    column = rates[0].index("learning_rate")
    values = [float(row[column]) for row in rates[1:]]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.003


@pytest.mark.slow
def test_columns_of_the_new_kind_are_inferred_and_checked(made: Checkout, tmp_path: Path) -> None:
    people = made.root / "people.csv"
    rows = [f"user{k}@example.org,{k % 40 + 20},{'yes' if k % 3 else 'no'}" for k in range(60)]
    people.write_text("\n".join(["address,age,bought", *rows]) + "\n")
    made.run("layerline", "init", "people.csv", "--target", "bought")
    schema = YAML().load(made.root / "data" / "schemas" / "people.yaml")
    assert schema["columns"]["address"]["kind"] == "email"
    assert schema["columns"]["age"]["kind"] == "number"
    made.run("dvc", "repro", "validate")
    people.write_text(people.read_text().replace("user7@", "user7 at "))
    made.run("dvc", "repro", "fetch")
    assert "column 'address' has 1 value" in made.stage("validate", code=3)
