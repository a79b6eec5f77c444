"""`layerline shadow`: the challenger beside the champion, by what was served."""

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def shadow(as_json: bool) -> None:
    """Test the challenger by the labelled rows that `layerline serve --shadow` scored with it.

    It may be looked at as often as wanted: at most 5 % of challengers that are no better are
    promoted. Writes reports/shadow.json and shadow.png.
    """
    from layerline.retraining.shadow_verdict import look_at_shadow, verdict_line

    workspace, params = open_project()
    facts = look_at_shadow(workspace, params)
    if as_json:
        print_json(facts)
    elif facts is None:
        click.echo(f"{params.project}: no version is the challenger")
    else:
        click.echo(f"shadow: {verdict_line(facts)}")
