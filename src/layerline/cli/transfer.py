"""`layerline transfer plan` and `lineage`: what a training starts from."""

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table
from layerline.config import Params, TransferSection
from layerline.errors import ParamsError, Problem


@click.group()
def transfer() -> None:
    """Trainings that start from known weights (`train.transfer` in params.yaml)."""


@transfer.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def plan(as_json: bool) -> None:
    """Show what would be loaded, skipped, new and frozen, without training.

    Needs data/scaled and models/preprocessor: `dvc repro scale` makes them.
    """
    from layerline.origins import SourceContext, find_start
    from layerline.projects.outdated import require_current
    from layerline.training.transfer.prepare import plan_training
    from layerline.training.transfer.start import table

    workspace, params = open_project()
    section = _section(params)
    require_current(workspace, "scale")
    context = SourceContext(workspace, params.project, params.register.alias)
    made = plan_training(workspace, params, find_start(context, section))
    if as_json:
        facts = {**made.to_json(), "source": dict(made.source.identity)}
        print_json(facts)
        return
    title = ", ".join(f"{key} {value}" for key, value in made.source.identity.items())
    print_table(["weight", "shape", "", "learns", "note"], table(made), title)
    for note in made.notes:
        click.echo(f"note: {note}")
    click.echo(", ".join(f"{count:,} {name}" for name, count in made.counts.items()))


def _section(params: Params) -> TransferSection:
    if params.train.transfer is None:
        message = "is not set; `transfer: {from: champion}` starts from the champion"
        raise ParamsError([Problem("train.transfer", message)])
    return params.train.transfer


@transfer.command()
@click.argument("run", default="champion")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def lineage(run: str, as_json: bool) -> None:
    """Trace RUN (default: the champion) back to the weights that it started from."""
    from layerline.origins.lineage import walk_back

    workspace, params = open_project()
    links = walk_back(workspace.home, params.project, run, params.register.alias)
    if as_json:
        print_json([link._asdict() for link in links])
        return
    rows = [[link.run[:8], link.name, link.when, link.source, link.sha256[:12]] for link in links]
    print_table(["run", "name", "when", "started from", "network"], rows)
