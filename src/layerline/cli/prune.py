"""`layerline prune`: what is no longer needed, listed and removed."""

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table
from layerline.text import file_size


@click.command()
@click.option(
    "--days",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Keep what is younger; of DVC's cache all goes that is not in use.",
)
@click.option("--dry-run", is_flag=True, help="List it with its size, remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, each thing by itself.")
@handle_errors
def prune(days: float, dry_run: bool, as_json: bool) -> None:
    """Remove what no version, commit or run needs any more.

    Snapshots of trainings, cached backtests, journals that MLflow has whole, runs that were deleted
    in MLflow, and what `dvc gc` removes, apart from the data of versions that hold an alias.
    """
    from layerline.retraining.pruning import find_leftovers
    from layerline.retraining.retrain import retrain_lock

    workspace, params = open_project()
    with retrain_lock(workspace, params.retrain.wait_seconds):
        found = find_leftovers(workspace, params, days)
        if not dry_run:
            for leftover in found:
                leftover.remove()
    if as_json:
        print_json([{"kind": one.kind, "name": one.name, "bytes": one.n_bytes} for one in found])
        return
    kinds = dict.fromkeys(one.kind for one in found)
    sizes = {kind: [one.n_bytes for one in found if one.kind == kind] for kind in kinds}
    rows = [[kind, f"{len(one):,}", file_size(sum(one))] for kind, one in sizes.items()]
    if rows:
        print_table(["", "number", "size"], rows)
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{file_size(sum(one.n_bytes for one in found))} {verb}")
