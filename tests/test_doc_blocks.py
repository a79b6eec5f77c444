"""What README and docs show can be typed: commands have these flags, readers take the YAML."""

import importlib.util
import re
from pathlib import Path

import click
import pytest
from doc_blocks import Block, blocks, commands, contents
from doc_readings import choices, readings

from layerline.cli import main

ROOT = Path(__file__).resolve().parents[1]
SHELL, PYTHON = blocks("shell"), blocks("python")
# Those of CONTRIBUTING are for components that a test adds: tests/pipeline/test_contributing.py.
YAML_BLOCKS = [block for block in blocks("yaml") if block.page != "CONTRIBUTING.md"]


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
        found = {problem for _, problem in readings(content)}
        assert None in found or len(choices(content)) == len(content), found


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_each_python_block_compiles_and_imports_what_there_is(block: Block) -> None:
    compile(re.sub(r"^(>>>|\.\.\.) ?", "", block.text, flags=re.M), str(block), "exec")
    for module in re.findall(r"^\s*(?:from|import) (layerline[\w.]*)", block.text, re.M):
        assert importlib.util.find_spec(module), module
