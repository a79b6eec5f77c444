"""`layerline params`: what the keys of params.yaml mean and take."""

import textwrap
from typing import TYPE_CHECKING

import click

from layerline.cli.command import handle_errors
from layerline.cli.output import print_json
from layerline.errors import ParamsError, Problem

if TYPE_CHECKING:
    from layerline.config.key_meanings import Key


@click.command()
@click.argument("key", default="", metavar="[KEY]")
@click.option("--schemas", is_flag=True, help="Write the JSON schemas for editors into schemas/.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def params(key: str, schemas: bool, as_json: bool) -> None:
    """Explain the keys of params.yaml: KEY and those below it, as `train.early_stopping`; or all.

    With --schemas, editors complete and check params.yaml and the schema of the data by this
    release: the first line of each file names its JSON schema.
    """
    if schemas:
        from layerline.artifacts import find_workspace
        from layerline.projects.editor_files import FOLDER, write_editor_files

        write_editor_files(find_workspace().root)
        click.echo(f"wrote {FOLDER}/: commit it")
        return
    found = _find(key)
    if as_json:
        print_json([one._asdict() for one in found])
        return
    for one in found:
        of = f" ({one.component})" if one.component else ""
        default = "required" if one.default == "required" else f"default {one.default}"
        click.echo(f"{one.path}{of}" + (f": {one.values}; {default}" if one.values else ""))
        click.echo(textwrap.indent(textwrap.fill(one.meaning, 96), "    "))


def _find(key: str) -> "list[Key]":
    from layerline.config.key_meanings import keys
    from layerline.projects.editor_files import params_schema
    from layerline.text import closest

    known = list(keys(params_schema()))
    found = [one for one in known if not key or f"{one.path}.".startswith(f"{key}.")]
    if not found:
        close = closest(key, [one.path for one in known])
        hint = f"; did you mean {close}?" if close else ""
        raise ParamsError([Problem(key, f"is no key of params.yaml{hint}")], "layerline params")
    return found
