"""`layerline cluster`: the file that starts one training on several machines."""

from pathlib import Path
from typing import Any

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json

KINDS = ("torchrun", "slurm", "kubernetes", "ray")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of the file; it is created.",
)
@click.option("--nodes", type=click.IntRange(1, 4096), default=2, show_default=True, help="Hosts.")
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="On each host: one a GPU, or one for several cores.",
)
@click.option(
    "--cpus", type=click.IntRange(1, 256), default=1, show_default=True, help="Of each process."
)
@click.option("--gpus", is_flag=True, help="Ask for one GPU a process.")
@click.option(
    "--hours", type=click.IntRange(1, 720), default=24, show_default=True, help="At most."
)
@click.option("--image", default="layerline:latest", help="The container's image, of kubernetes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def cluster(kind: str, output: Path, image: str, as_json: bool, **size: Any) -> None:
    """Write the file that starts the train stage on several machines, by KIND; nothing is run."""
    from layerline.projects.cluster_files import Project, Size, write_cluster

    workspace, params = open_project()
    project = Project(params.project, workspace.root, params.train, image)
    file, start = write_cluster(kind, output, project, Size(**size))
    if as_json:
        print_json({"files": [str(file)], "start": start})
        return
    click.echo(f"wrote {file}")
    click.echo(f"then: {start}")
    click.echo("and, where rank 0 ran: dvc commit --force train && dvc repro")
