"""`layerline schedule`: files that make a scheduler run `layerline retrain`."""

from pathlib import Path
from typing import Any

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json

KINDS = ("cron", "systemd", "github", "kubernetes", "airflow", "prefect", "dagster")
EVERY = ("hour", "day", "weekday", "week", "month")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of the files; it is created.",
)
@click.option(
    "--every",
    type=click.Choice(EVERY),
    default="day",
    show_default=True,
    help="week: on Mondays; month: on its first day.",
)
@click.option("--at", default="03:30", show_default=True, metavar="HH:MM", help="Of the day.")
@click.option("--timezone", default="UTC", show_default=True, help="Such as Europe/Berlin.")
@click.option("--image", default="layerline:latest", help="The container's image, of kubernetes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def schedule(kind: str, output: Path, image: str, as_json: bool, **times: Any) -> None:
    """Write the files of KIND into a folder; nothing is installed."""
    from layerline.retraining.scheduler_files import Times, write_schedule

    workspace, params = open_project()
    root, project = workspace.root, params.project
    files, install = write_schedule(kind, output, root, project, Times(**times), image)
    if as_json:
        print_json({"files": [str(file) for file in files], "install": install})
        return
    for file in files:
        click.echo(f"wrote {file}")
    click.echo(f"then: {install}")
