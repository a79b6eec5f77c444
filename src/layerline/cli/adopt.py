"""`layerline adopt`: the params of a run, put into params.yaml."""

from typing import Any

import click
import orjson

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_notes, print_table


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def adopt(run: str, as_json: bool) -> None:
    """Put the params of a run into params.yaml; its comments stay.

    RUN is a run's id or name, a DVC experiment, `champion` or a version such as v3. `dvc repro`
    then trains that network again, where data and code are still the same, and lets it compete.
    """
    from layerline.projects.adopt import adopt as adopt_params
    from layerline.runs.open_store import flush_first, open_store
    from layerline.runs.resolve import choose

    workspace, params = open_project()
    print_notes(flush_first(workspace.home))
    with open_store(workspace.home, "adopting a run") as client:
        found = choose(client, params.project, run, params.register.alias)
        changed = adopt_params(workspace, client, found)
    if as_json:
        print_json({path: {"before": old, "after": new} for path, (old, new) in changed.items()})
    elif changed:
        rows = [[path, _shown(old), _shown(new)] for path, (old, new) in changed.items()]
        print_table(["param", "before", "now"], rows)
        click.echo(f"params.yaml has the params of {found.name}; `dvc repro` lets it compete")
    else:
        click.echo(f"params.yaml had the params of {found.name}; `dvc repro` lets it compete")


def _shown(value: Any) -> str:
    return "" if value is None else orjson.dumps(value, default=str).decode().strip('"')
