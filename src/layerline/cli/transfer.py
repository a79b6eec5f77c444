"""`layerline transfer plan` and `lineage`: what a training starts from."""

import json

import click

from layerline.cli.command import explained, here
from layerline.cli.output import print_table
from layerline.config import Params, TransferSection
from layerline.errors import ParamsError, Problem


@click.group()
def transfer() -> None:
    """Trainings that start from known weights (`train.transfer` in params.yaml)."""


@transfer.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained
def plan(as_json: bool) -> None:
    """Show what would be loaded, skipped, new and frozen, without training.

    It needs data/scaled and models/preprocessor: `dvc repro scale` makes them.
    """
    from layerline.origins import SourceContext, find_start
    from layerline.training.transfer.prepare import plan_training
    from layerline.training.transfer.start import table

    workspace, params = here()
    section = _section(params)
    context = SourceContext(workspace, params.project, params.register.alias)
    made = plan_training(workspace, params, find_start(context, section))
    if as_json:
        facts = {**made.to_json(), "source": dict(made.source.identity)}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
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
@explained
def lineage(run: str, as_json: bool) -> None:
    """Walk back from RUN (default: the champion) to the weights everything began with."""
    from layerline.origins.lineage import walk_back

    workspace, params = here()
    links = walk_back(workspace.home, params.project, run, params.register.alias)
    if as_json:
        click.echo(json.dumps([link._asdict() for link in links], indent=2, ensure_ascii=False))
        return
    rows = [[link.run[:8], link.name, link.when, link.source, link.sha256[:12]] for link in links]
    print_table(["run", "name", "when", "started from", "network"], rows)
