"""Every command: its help, its exit code outside a project, and nothing left behind there."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from layerline import __version__
from layerline.cli import COMMANDS, main

Words = tuple[str, ...]


def walk(group: click.Group, path: Words = ()) -> Iterator[tuple[Words, click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))


ALL = dict(walk(main))
# Arguments with which a command would run, were there a project.
NEEDS_A_PROJECT = {
    ("watch",): (),
    ("schema",): (),
    ("schema", "--show"): (),
    ("promote",): ("1",),
    ("rollback",): (),
    ("history",): (),
    ("verify",): (),
    ("register",): (),
    ("retrain",): (),
    ("retrain", "--status"): (),
    ("results",): (),
    ("runs",): (),
    ("compare",): ("v1", "v2"),
    ("predict",): ("in.csv", "out.csv"),
    ("transfer", "plan"): (),
    ("transfer", "lineage"): (),
    ("study", "transfer"): (),
    ("study", "run"): (),
    ("study", "work"): (),
    ("study", "compare"): ("activations",),
    ("adopt",): ("v1",),
}
# The English that the project had of its own.
ODD = re.compile(r"\b(go on|come to|tell of|says? so|by hand|anew|is no [a-z]+|what it is given)\b")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_explains_the_command_and_each_option(layerline, path):
    command = ALL[path]
    shown = layerline(*path, "--help").stdout
    assert shown.startswith(f"Usage: main {' '.join(path)}")
    assert command.help
    assert command.help.strip()[0].isupper()
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            assert parameter.help or parameter.show_default, (path, parameter.name)
    assert not ODD.findall(shown)


def test_all_commands_are_listed(layerline):
    shown = layerline("--help").stdout
    for command in COMMANDS:
        is_shown = bool(re.search(rf"^  {command.name} ", shown, re.M))
        assert is_shown != command.hidden
    assert __version__ in layerline("--version").stdout


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_unknown_option_ends_with_2(layerline, path):
    assert "No such option" in layerline(*path, "--no-such-option", code=2).stderr


@pytest.mark.parametrize("path", NEEDS_A_PROJECT, ids=" ".join)
def test_outside_a_project_it_fails_and_leaves_nothing(layerline, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = layerline(*path, *NEEDS_A_PROJECT[path], code=2)
    assert "params.yaml" in result.stderr
    assert "not found; run in a project's folder" in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_every_command_that_prints_a_table_prints_json_too():
    without = {
        ("new",),
        ("code",),
        ("study", "work"),
        ("init",),
        ("watch",),
        ("predict",),
        ("serve",),
        ("replay",),  # an answer of the server, which is JSON
        ("export",),
        ("flush",),
        ("ui",),
    }
    for path, command in ALL.items():
        if path in without or isinstance(command, click.Group):
            continue
        assert "--json" in [flag for option in command.params for flag in option.opts], path


def test_params_with_mistakes_end_with_2_and_all_of_them(layerline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("project: a b\nfetch: {sorce: files}\nseed: -1\n")
    shown = layerline("results", code=2).stderr
    for place in ("project", "fetch.sorce: unknown key", "fetch.source", "seed"):
        assert f"params.yaml: {place}" in shown
