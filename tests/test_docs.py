"""The documentation: the reference is made from the code, and every link leads somewhere."""

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
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


def test_troubleshooting_quotes_messages_that_the_code_still_has() -> None:
    code = "".join(p.read_text() for p in sorted((ROOT / "src" / "layerline").rglob("*.py")))
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # a message over several lines
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.M)
    quoted = [text for row in rows if "dvc repro" not in row for text in re.findall("`(.*?)`", row)]
    assert len(quoted) > 20
    assert not [text for text in quoted if text not in code]


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Every command of the page, in order, in an empty folder: the way of a new user."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), re.S)
    script = "set -euo pipefail\n" + "\necho\n".join(blocks)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "nothing is new" in done.stdout + done.stderr
    assert "Barolo" in (tmp_path / "wines" / "predicted.csv").read_text()
    assert (tmp_path / "wines" / "explorer.html").stat().st_size > 10_000
    with sqlite3.connect(tmp_path / "wines" / "mlflow.db") as store:
        (champion,) = store.execute(
            "select version from registered_model_aliases where alias = 'champion'"
        ).fetchone()
        versions = store.execute("select version from model_versions").fetchall()
    assert champion == 1
    assert len(versions) == 3
