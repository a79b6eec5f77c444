"""The pages of the site: docs/, the README and results, and a reference made from the code.

    python docs/site/make_pages.py FOLDER

mkdocs.yml reads them from build/pages; `make docs` does both.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[2]
# Where a link of a page in the repository leads to in the site.
_MOVED = (
    (re.compile(r"\]\((?:\.\./)*benchmarks/results/"), "](PLACEbenchmarks/"),
    (re.compile(r"\]\((?:\.\./)*docs/"), "](PLACE"),
    (re.compile(r"\]\((?:\.\./)*(CONTRIBUTING|CHANGELOG)\.md"), r"](PLACE\1.md"),
    (re.compile(r"\]\((?:\.\./)*README\.md"), "](PLACEindex.md"),
)


_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def make_pages(folder: Path) -> None:
    """Write all pages into a folder, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("site"))
    shutil.copytree(ROOT / "benchmarks" / "results", folder / "benchmarks")
    for name in ("README", "CONTRIBUTING", "CHANGELOG"):
        shutil.copyfile(ROOT / f"{name}.md", folder / f"{name}.md")
    (folder / "README.md").rename(folder / "index.md")
    for page in folder.rglob("*.md"):
        page.write_text(_with_moved_links(page, folder))
    reference = folder / "reference"
    reference.mkdir()
    (reference / "params.md").write_text("\n".join(params_page()))
    (reference / "commands.md").write_text("\n".join(commands_page()))
    (reference / "params.schema.json").write_text(json.dumps(params_schema(), indent=1) + "\n")


def _with_moved_links(page: Path, folder: Path) -> str:
    text = page.read_text()
    place = "../" * len(page.parent.relative_to(folder).parts)
    for pattern, target in _MOVED:
        text = pattern.sub(target.replace("PLACE", place), text)
    return text


def params_schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, as editors read it."""
    from pydantic import TypeAdapter

    from layerline.config import Params

    title = {"title": "Layerline's params.yaml"}
    return {**TypeAdapter(Params).json_schema(), **title}


def params_page() -> Iterator[str]:
    """Every key of params.yaml with its values and default, a section a table."""
    schema = params_schema()
    yield "# params.yaml\n"
    yield (
        "Every key, from the code that reads it. Components (networks, losses, optimizers, ...) "
        "take `options` or keys of their own, which their pages describe. Editors complete and "
        "check the file with [params.schema.json](params.schema.json): begin it with "
        "`# yaml-language-server: $schema=PATH/params.schema.json`.\n"
    )
    yield from _section("", schema, schema["$defs"])


def _section(path: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    if path:
        yield f"\n## {path}\n"
        yield f"{schema.get('description', '')}\n"
    yield "| key | values | default |"
    yield "|---|---|---|"
    inner: list[tuple[str, Any]] = []
    for name, entry in schema["properties"].items():
        where = f"{path}.{name}" if path else name
        default = f"`{json.dumps(entry['default'])}`" if "default" in entry else "empty"
        if name in schema.get("required", ()):
            default = "required"
        elif len(default) > 40:
            default = "as below"
        yield f"| `{where}` | {_values(entry)} | {default} |"
        inner += [(where, known[one]) for one in _references(entry) if "properties" in known[one]]
    for where, one in inner:
        yield from _section(where, one, known)


def _references(entry: Mapping[str, Any]) -> list[str]:
    """The sections that a key may hold."""
    return list(dict.fromkeys(re.findall(r"#/\$defs/(\w+)", json.dumps(entry))))


def _values(entry: Mapping[str, Any]) -> str:
    if "anyOf" in entry:
        return " or ".join(_values(one) for one in entry["anyOf"])
    if "$ref" in entry:
        return "section"
    if "enum" in entry or "const" in entry:
        return ", ".join(f"`{one}`" for one in entry.get("enum", [entry.get("const")]))
    if entry.get("type") == "array":
        return f"list of {_values(entry.get('items', {}))}"
    return f"{entry.get('type', 'any value')}{_limits(entry)}"


def _limits(entry: Mapping[str, Any]) -> str:
    found = [f"{sign} {entry[key]}" for key, sign in _SIGNS.items() if key in entry]
    return f" ({', '.join(found)})" if found else ""


def commands_page() -> Iterator[str]:
    """The help of every command, and the exit codes."""
    from layerline.cli import main

    yield "# Commands\n"
    yield "As `layerline COMMAND --help` prints them.\n"
    for name, command in sorted(main.commands.items()):
        if not command.hidden:
            yield from _command(f"layerline {name}", command)
    yield from _exit_codes()


def _command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    yield f"\n## {path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name, one in sorted(command.commands.items()):
            yield from _command(f"{path} {name}", one)


def _exit_codes() -> Iterator[str]:
    from layerline import errors

    yield "\n## Exit codes\n\n| code | meaning |\n|---|---|"
    known = {
        one.exit_code: (one.__doc__ or "").strip().partition("\n")[0]
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.LayerlineError)
    }
    yield from (f"| {code} | {text} |" for code, text in sorted(known.items()))


if __name__ == "__main__":
    make_pages(Path(sys.argv[1]))
