"""The documentation: the reference is made from the code, and every link leads somewhere."""

import importlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from registered import flowers
from ruamel.yaml import YAML

import layerline
from layerline.cli import main
from layerline.config.key_meanings import keys
from layerline.errors import ExitCode, ParamsError
from layerline.projects.component_tables import PLACES
from layerline.projects.init import start_project
from layerline.projects.preflight import check_params
from layerline.validation.schema.schema_file import schema_text
from layerline.validation.schema.severities import RULES

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "src" / "layerline" / "projects" / "template"
FILES = [
    *(folder / "params.yaml" for folder in (ROOT, TEMPLATE)),
    *sorted((ROOT / "recipes").glob("*.yaml")),
    *sorted((ROOT / "data" / "schemas").glob("*.yaml")),
    TEMPLATE / "digits.yaml",
]
FILLER = re.compile(
    r"\b(?:simply|easily|obviously|of course|basically|actually|in order to|utili[sz]e|leverage"
    r"|powerful|seamless(?:ly)?|robustly|don't|can't|won't|isn't|doesn't|it's)\b",
    re.I,
)
# Scripts that fail where the colours are not the system's, or a page is wider than its window.
AS_THE_SYSTEM = """(() => { const {mdColorScheme} = document.body.dataset;
  if (mdColorScheme !== 'SCHEME') throw new Error(`the colours are ${mdColorScheme}`); })()"""
FITS = """(() => { const {scrollWidth, clientWidth} = document.documentElement;
  if (scrollWidth > clientWidth) throw new Error(`the page is ${scrollWidth} wide`); })()"""
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def read(path: Path) -> tuple[str, Any]:
    """The first line of a YAML file, and its content as JSON has it."""
    text = path.read_text(encoding="utf-8")
    content = YAML(typ="safe").load(text)
    return text.partition("\n")[0], json.loads(json.dumps(content))


sys.path.insert(0, str(ROOT / "docs" / "site"))
editor_schemas = importlib.import_module("editor_schemas")
reference_pages = importlib.import_module("reference_pages")


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    """The JSON schemas by the name that a file's first line has."""
    made: dict[str, str] = editor_schemas.editor_schemas()
    return {name: json.loads(text) for name, text in made.items()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    importlib.import_module("make_pages").make_pages(folder)
    return folder


def test_every_link_between_pages_leads_to_a_file(site: Path) -> None:
    broken = [
        f"{page.relative_to(site)}: {target}"
        for page in site.rglob("*.md")
        for target in _LINK.findall(re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_page_keeps_the_style(site: Path) -> None:
    """One title, headings without gaps or full stops, no filler, no spaces at the ends of lines."""
    wrong = []
    for page in sorted(site.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
        headings = re.findall(r"^(#+) (.*\S)", prose, re.M)
        levels = [len(marks) for marks, _ in headings]
        faults = [f"ends in a mark: {title}" for _, title in headings if title[-1] in ".:"]
        faults += [f"filler: {found}" for found in FILLER.findall(prose)]
        if levels[0] != 1 or levels.count(1) != 1:
            faults.append("must have one title")
        if any(after > before + 1 for before, after in pairwise(levels)):
            faults.append("a level of headings is left out")
        if re.search(r"[ \t]$", text, re.M):
            faults.append("spaces at the end of a line")
        wrong += [f"{page.relative_to(site)}: {fault}" for fault in faults]
    assert not wrong


def test_every_page_is_in_the_navigation(site: Path) -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r"[\w/-]+\.md", text))
    assert {str(page.relative_to(site)) for page in site.rglob("*.md")} == named


def test_the_schemas_for_editors_are_those_of_the_code() -> None:
    for folder in editor_schemas.FOLDERS:
        for name, text in editor_schemas.editor_schemas().items():
            remedy = "python docs/site/editor_schemas.py"
            assert (folder / name).read_text(encoding="utf-8") == text, remedy


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_names_its_schema_and_fits_it(path: Path, schemas: dict[str, Any]) -> None:
    first, content = read(path)
    named = first.removeprefix("# yaml-language-server: $schema=")
    is_table = path.parent.name == "schemas" or path.name == "digits.yaml"
    place = ROOT / "data" / "schemas" if is_table else ROOT  # where it lies, or is copied to
    assert (place / named).resolve().parent == ROOT / "schemas"
    assert jsonschema_rs.is_valid(schemas[Path(named).name], content)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("train", "epoch", 3),
        ("train", "epochs", "ten"),
        ("train", "optimizer", {"name": "adam", "learning_rat": 1}),
        ("train", "optimizer", "adm"),
        ("train", "options", {"widths": [3]}),
        ("scale", "numeric", {"default": "standrad"}),
        ("scale", "split", {"method": "time"}),
        ("evaluate", "threshold", "f1"),
    ],
)
def test_the_json_schema_refuses_what_the_reader_refuses(
    path: str, key: str, value: Any, schemas: dict[str, Any], tmp_path: Path
) -> None:
    _, content = read(ROOT / "params.yaml")
    content[path][key] = value
    assert not jsonschema_rs.is_valid(schemas["params.schema.json"], content)
    with pytest.raises(ParamsError):
        check_params(content, "params.yaml")


def test_what_the_commands_write_names_its_schema(tmp_path: Path, schemas: dict[str, Any]) -> None:
    table = tmp_path / "flowers.csv"
    flowers(60).to_csv(table, index=False)
    start = start_project(table, "kind", "flowers")
    assert start.params_text.startswith(
        "# yaml-language-server: $schema=schemas/params.schema.json"
    )
    assert jsonschema_rs.is_valid(schemas["params.schema.json"], start.params)
    text = schema_text(start.schema)
    assert text.startswith("# yaml-language-server: $schema=../../schemas/table.schema.json\n")
    assert jsonschema_rs.is_valid(schemas["table.schema.json"], YAML(typ="safe").load(text))


def test_every_key_has_a_meaning_values_and_a_default(schemas: dict[str, Any]) -> None:
    found = [key for schema in schemas.values() for key in keys(schema)]
    assert len(found) > 250
    assert not [key for key in found if not key.meaning]
    assert not [key for key in found if key.values and not key.default]
    assert not [key for key in found if "any value" in key.values]


def test_every_component_is_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "params.md").read_text()
    for place in PLACES:
        for name in editor_schemas.table_of(place):
            where = (
                f"{place.section}.options"
                if place.name_key is None
                else f"{place.section}.{place.key}"
            )
            assert f"### {where} with `{place.name_key or place.key}: {name}`" in text


def test_the_readme_has_the_exit_codes_of_the_code() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "\n".join(reference_pages.exit_codes()) in readme


def test_the_reference_has_the_messages_and_the_python_interface(site: Path) -> None:
    errors = (site / "reference" / "errors.md").read_text()
    for code in ExitCode:
        assert f"| {code} | {code.meaning} | {code.remedy} |" in errors
    assert errors.count("\n| ") > 400
    for text in ("must be a mapping with `project` and `fetch`", "the loss diverged at"):
        assert text in errors
    assert "| the disk is full | free some space; run it again |" in errors
    table = (site / "reference" / "table.md").read_text()
    assert all(
        f"| `{name}` | each {rule.scope} | {rule.about} |" in table for name, rule in RULES.items()
    )
    python = (site / "reference" / "python.md").read_text()
    for name in layerline.__all__:
        assert f"## layerline.{name}\n" in python


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


@pytest.fixture(scope="module")
def built(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    tools = ROOT / ".venv-tools" / "bin"
    mkdocs = shutil.which("mkdocs", path=f"{tools}{os.pathsep}{os.environ['PATH']}")
    if mkdocs is None:
        pytest.skip("mkdocs is not installed: `make docs` does it")
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(site, folder / "build" / "pages")
    shutil.copyfile(ROOT / "mkdocs.yml", folder / "mkdocs.yml")
    subprocess.run([mkdocs, "build", "--strict", "--quiet"], cwd=folder, check=True)
    return folder / "build" / "site"


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_the_site(
    built: Path, obstacles: Callable[..., list[str]]
) -> None:
    names = ("index", "tutorial", "data", "studies/activations", "troubleshooting")
    for name in (*names, "reference/params", "reference/python", "reference/errors"):
        for is_dark in (False, True):
            seen = [AS_THE_SYSTEM.replace("SCHEME", "slate" if is_dark else "default"), FITS]
            assert obstacles(built / f"{name}.html", seen, is_dark=is_dark) == []


@pytest.mark.slow
def test_the_site_is_searched_from_a_file_without_a_network(built: Path, tab: Any) -> None:
    runner, page = tab
    search = """(document.getElementById('__search').click(), new Promise((done) => {
      const query = document.querySelector('[data-md-component=search-query]');
      query.value = 'patience_epochs';
      const look = () => {
        query.dispatchEvent(new KeyboardEvent('keyup'));
        const found = document.querySelectorAll('.md-search-result__item').length;
        if (found) done(found); else setTimeout(look, 100);
      };
      look();
    }))"""

    async def found() -> int:
        page.events.clear()
        await page.open((built / "reference" / "params.html").as_uri(), 1200, 900)
        await page.wait_for("document.readyState === 'complete'", 120)
        return int(await page.run(search))

    assert runner.run(found()) > 0
    assert page.problems() == []


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
