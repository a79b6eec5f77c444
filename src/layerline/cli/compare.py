"""`layerline compare`: runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_notes, print_table

if TYPE_CHECKING:
    from layerline.runs.compare import Comparison

# \b keeps click from wrapping the lines.
EXAMPLES = """\b
Examples:
  layerline compare champion mlp-3f2a9c
  layerline compare v1 v2 v3 --output three-networks
"""


@click.command(epilog=EXAMPLES)
@click.argument("wanted", metavar="RUN RUN...", nargs=-1)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; default: reports/comparison.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@handle_errors
def compare(wanted: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """Compare runs: params, metrics, the test rows they share, learning curves.

    The first RUN is the baseline. A RUN is a run id or its beginning, a run's
    name, a DVC experiment, `champion` (or another alias of the model) or a version such as v3.

    Writes comparison.md, .html, .png and .json, and attaches them to each compared run in MLflow.
    """
    from layerline.runs.compare import compare_runs
    from layerline.runs.comparison_report import log_comparison, write_comparison
    from layerline.runs.open_store import flush_first, open_store
    from layerline.runs.resolve import choose_each
    from layerline.runs.shared_rows import Resampling

    workspace, params = open_project()
    print_notes(flush_first(workspace.home))
    section = params.evaluate
    resampling = Resampling(section.bootstrap or 1000, section.confidence, params.seed)
    with open_store(workspace.home, "comparing runs") as client:
        runs = choose_each(client, params.project, wanted, params.register.alias)
        comparison = compare_runs(client, runs, resampling)
        files = write_comparison(output or workspace.reports / "comparison", comparison)
        folder = log_comparison(client, comparison, files)
    if as_json:
        click.echo(files[-1].read_text(encoding="utf-8"), nl=False)
    else:
        _print(comparison)
        click.echo(f"wrote {', '.join(map(str, files))}")
    click.echo(f"also attached to each of the runs in MLflow, under {folder}", err=as_json)


def _print(comparison: "Comparison") -> None:
    from layerline.runs import comparison_report as reporting

    tables = {
        "": reporting.runs_table(comparison),
        "params that differ": reporting.params_table(comparison),
        "data, code and commits that differ": reporting.origins_table(comparison),
        "metrics, each on its own rows": reporting.metrics_table(comparison),
        "on the test rows they share": reporting.shared_table(comparison),
    }
    for title, (headers, rows) in tables.items():
        if rows:
            print_table(headers, rows, title)
            click.echo()
        elif title.startswith("params"):
            click.echo("all params are the same\n")
    for line in reporting.shared_notes(comparison):
        click.echo(line)
    for note in comparison.notes:
        click.echo(f"note: {note}")
