"""The reference of params.yaml, of the schema of the data, and of the commands, from the code."""

from collections.abc import Iterable, Iterator

import click
from editor_schemas import params_schema, table_schema

from layerline.config.key_meanings import Key, keys
from layerline.errors import ExitCode
from layerline.validation.schema.severities import RULES

_EDITORS = (
    "Editors with the YAML language server (VS Code's YAML extension, Neovim, JetBrains) complete "
    "and check the file: its first line names the JSON schema [{0}]({0}), which `layerline new` "
    "and `layerline init` put into schemas/, and `layerline params --schemas` writes anew after an "
    "upgrade.\n"
)


def params_page() -> Iterator[str]:
    """Every key of params.yaml with its values, default and meaning, a section a table."""
    yield "# params.yaml\n"
    yield "Every key, from the code that reads it; `layerline params KEY` prints the same.\n"
    yield _EDITORS.format("params.schema.json")
    yield from _tables(keys(params_schema()))


def table_page() -> Iterator[str]:
    """Every key of the schema of the data."""
    yield "# The schema of the data\n"
    yield "Every key of `data/schemas/NAME.yaml`, from the code that reads it.\n"
    yield _EDITORS.format("table.schema.json")
    yield from _tables(keys(table_schema()))

    yield "\n## Rules\n\n| rule | looks at | broken by | default | may be set to |"
    yield "|---|---|---|---|---|"
    for name, rule in RULES.items():
        severity, limit = rule.default
        default = severity if limit is None else f"{severity}, limit {limit:g}"
        cells = (f"`{name}`", f"each {rule.scope}", rule.about, default, ", ".join(rule.may_be))
        yield f"| {' | '.join(cells)} |"


def _tables(found: Iterable[Key]) -> Iterator[str]:
    shown: tuple[str, str] | None = None
    for key in found:
        if not key.values:  # a component, whose options follow
            yield f"\n### {key.path} with `{key.component}`\n\n{key.meaning}\n"
            shown = None
            continue
        section = key.path.rpartition(".")[0], key.component
        if section != shown:
            if section[0] and not section[1]:
                yield f"\n## {section[0]}\n"
            yield "| key | meaning | values | default |\n|---|---|---|---|"
            shown = section
        cells = (f"`{key.path}`", key.meaning, key.values, _default(key))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(key: Key) -> str:
    return key.default if key.default == "required" else f"`{key.default}`"


def commands_page() -> Iterator[str]:
    """The help of every command, and the exit codes."""
    from layerline.cli import main

    yield "# Commands\n"
    yield "As `layerline COMMAND --help` prints them.\n"
    for name, command in sorted(main.commands.items()):
        if not command.hidden:
            yield from _command(f"layerline {name}", command)
    yield "\n## Exit codes\n"
    yield from exit_codes()


def exit_codes() -> Iterator[str]:
    """The table of exit codes, as the README has it."""
    yield "| exit code | meaning |\n|---:|---|"
    yield from (f"| {code} | {code.meaning} |" for code in ExitCode)


def _command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    yield f"\n## {path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name, one in sorted(command.commands.items()):
            yield from _command(f"{path} {name}", one)
