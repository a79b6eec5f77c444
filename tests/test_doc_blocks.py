"""What README and docs show can be typed: commands have these flags, readers take the YAML."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from doc_blocks import Block, blocks, commands, contents
from pydantic import TypeAdapter, ValidationError

from layerline.cli import main
from layerline.config import Params
from layerline.errors import ParamsError
from layerline.projects.preflight import check_params
from layerline.studies.comparison import ComparisonSection
from layerline.studies.study_file import parse_study
from layerline.validation.schema.entries import SchemaFile
from layerline.wrong_values import _bare, _fields, _members, problems_of

ROOT = Path(__file__).resolve().parents[1]
SHELL, PYTHON = blocks("shell"), blocks("python")
# Those of CONTRIBUTING are for components that a test adds: tests/pipeline/test_contributing.py.
YAML_BLOCKS = [block for block in blocks("yaml") if block.page != "CONTRIBUTING.md"]
SMALLEST: dict[str, Any] = {
    "project": "p",
    "seed": 0,
    "fetch": {"source": "sklearn", "options": {"dataset": "digits"}},
    **{name: {} for name in ("validate", "scale", "train", "evaluate", "register")},
    "threads": 1,
}


def test_there_are_blocks_of_each_kind() -> None:
    assert len(SHELL) > 70
    assert len(YAML_BLOCKS) > 35
    assert len(PYTHON) > 10


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_each_command_can_be_typed(block: Block) -> None:
    wrong = [
        f"{' '.join(words)}: {problem}"
        for words in commands(block)
        if (problem := problem_of(words))
    ]
    assert not wrong


def problem_of(words: tuple[str, ...]) -> str:
    """Why a command cannot be typed like this; empty where it can, or is not one of ours."""
    program, *rest = (word.strip("\"'[]()") for word in words)
    if program == "layerline":
        return problem_of_ours([word for word in rest if word and word != "..."])
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        unknown = [one for one in rest if re.fullmatch(r"[a-z-]+", one) and one not in targets]
        return f"no target {unknown[0]}" if unknown else ""
    if program == "python" and rest and rest[0].endswith(".py") and "/" in rest[0]:
        return problem_of_script(rest)
    return problem_of_dvc(rest) if program == "dvc" else ""


def problem_of_ours(arguments: list[str]) -> str:
    command: click.Command = main
    context = click.Context(main, info_name="layerline")
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        found = command.get_command(context, name)
        if found is None:
            return "" if name == "--help" else f"no command {name}"
        command = found
    try:
        command.make_context("layerline", arguments)
    except click.exceptions.Exit:
        return ""
    except click.UsageError as error:
        # Files, and what is left to the reader: VERSION, KIND.
        left = r"does not exist|Missing argument|'[A-Z]+' is not"
        return "" if re.search(left, error.format_message()) else error.format_message()
    return ""


def problem_of_script(words: list[str]) -> str:
    script = ROOT / words[0]
    if not script.is_file():
        return f"no file {words[0]}"
    text = script.read_text()
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [flag for flag in flags if f'"{flag}"' not in text]
    return f"no option {unknown[0]}" if unknown else ""


def problem_of_dvc(words: list[str]) -> str:
    from dvc.cli import DvcParserError, parse_args

    try:
        parse_args(words)
    except (DvcParserError, SystemExit) as error:
        return f"dvc does not take this: {error!r}"
    return ""


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_each_yaml_block_is_what_its_reader_takes(block: Block) -> None:
    for content in contents(block):
        found = list(readings(content))
        if any("keep one" in str(problem) for problem in found):  # a choice, shown in one block
            found = [None for key in content if None in readings({key: content[key]})]
            assert len(found) == len(content)
        assert None in found, found


def readings(content: dict[str, Any]) -> Any:
    """The problem of each reader that has such keys; None where it takes the block."""
    for path, fields in sections(Params):
        if set(content) <= fields:
            yield problem_of_params(path, content)
    if set(content) <= set(_fields(SchemaFile)):
        yield problem_of_schema(content)
    if set(content) <= set(_fields(ComparisonSection)):
        yield problem_of_comparison(content)
    if "space" in content:
        yield refused(lambda: parse_study(content, "study"))


def sections(section: Any, path: tuple[str, ...] = ()) -> Any:
    """Every section of params.yaml: its path, and its keys."""
    fields = _fields(section)
    yield path, set(fields)
    for name, inner in fields.items():
        for member in map(_bare, _members(_bare(inner))):
            if _fields(member):
                yield from sections(member, (*path, name))


def problem_of_params(path: tuple[str, ...], content: dict[str, Any]) -> str | None:
    for name in reversed(path):
        content = {name: content}
    if path == ("train", "transfer"):
        content["train"]["transfer"].setdefault("from", "champion")
    raw = {**SMALLEST, **content}
    for name in content:
        if isinstance(SMALLEST.get(name), dict):
            raw[name] = {**SMALLEST[name], **content[name]}
    return refused(lambda: check_params(raw, "params.yaml"))


def problem_of_schema(content: dict[str, Any]) -> str | None:
    raw = {"target": "y", "task": "regression", "columns": {}, **content}
    try:
        TypeAdapter(SchemaFile).validate_json(json.dumps(raw))
    except ValidationError as error:
        return "\n".join(map(str, problems_of(error, SchemaFile, raw)))
    return None


def problem_of_comparison(content: dict[str, Any]) -> str | None:
    raw = {"question": "q", "variants": {"a": {}, "b": {}}, **content}
    try:
        TypeAdapter(ComparisonSection).validate_json(json.dumps(raw))
    except ValidationError as error:
        return "\n".join(map(str, problems_of(error, ComparisonSection, raw)))
    return None


def refused(read: Any) -> str | None:
    try:
        read()
    except ParamsError as error:
        found = [p for p in error.problems if "there is no file mine/" not in p.message]
        return "\n".join(map(str, found)) or None
    return None


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_each_python_block_compiles_and_imports_what_there_is(block: Block) -> None:
    compile(re.sub(r"^(>>>|\.\.\.) ?", "", block.text, flags=re.M), str(block), "exec")
    for module in re.findall(r"^\s*(?:from|import) (layerline[\w.]*)", block.text, re.M):
        assert importlib.util.find_spec(module), module
