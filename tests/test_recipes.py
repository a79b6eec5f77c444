"""Every recipe can be used as its first lines say."""

from pathlib import Path

import pytest

from layerline.projects.preflight import load_checked

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", [*RECIPES, ROOT / "params.yaml"], ids=lambda path: path.stem)
def test_a_recipe_is_right_and_its_schema_is_there(path: Path) -> None:
    params = load_checked(path)
    assert (ROOT / params.schema_path).is_file()
    if path in RECIPES:
        assert params.project == path.stem
        assert f"cp recipes/{path.name} params.yaml && dvc repro" in path.read_text("utf-8")
