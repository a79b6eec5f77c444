"""The documentation: the reference is made from the code, and every link leads somewhere."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from layerline.cli import main

ROOT = Path(__file__).resolve().parents[1]
PARAMS = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_pages", ROOT / "docs" / "site" / "make_pages.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(pages: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    pages.make_pages(folder)
    return folder


def test_every_link_between_pages_leads_to_a_file(site: Path) -> None:
    broken = [
        f"{page.relative_to(site)}: {target}"
        for page in site.rglob("*.md")
        for target in _LINK.findall(re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_page_is_in_the_navigation(site: Path) -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r"[\w/-]+\.md", text))
    assert {str(page.relative_to(site)) for page in site.rglob("*.md")} == named


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.stem)
def test_the_json_schema_takes_our_own_params(path: Path, pages: ModuleType) -> None:
    content = YAML(typ="safe").load(path.read_text())
    assert jsonschema_rs.is_valid(pages.params_schema(), json.loads(json.dumps(content)))


def test_the_json_schema_refuses_an_unknown_key_and_a_wrong_type(pages: ModuleType) -> None:
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for section, key, value in (("train", "epoch", 3), ("train", "epochs", "ten")):
        wrong = {**content, section: {**content[section], key: value}}
        assert not jsonschema_rs.is_valid(pages.params_schema(), wrong)


def test_the_reference_has_every_command_and_key(site: Path) -> None:
    commands = (site / "reference" / "commands.md").read_text()
    shown = [name for name, command in main.commands.items() if not command.hidden]
    assert all(f"## layerline {name}\n" in commands for name in shown)
    params = (site / "reference" / "params.md").read_text()
    for key in ("train.early_stopping.patience_epochs", "evaluate.conformal", "retrain.when"):
        assert f"| `{key}` |" in params
